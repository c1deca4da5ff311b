"""Models: the registry, and the models that runs log before anybody registers them."""

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text

from ml_workspace_lab.storage.schema.columns import BIG, REAL, count, id_, metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

Table(
    "model",
    metadata,
    id_(),
    Column("name", Text, nullable=False, unique=True),
    text("description", ""),
    text("tags_json", "{}"),
    time_("created"),
    time_("updated"),
    Column("last_version", Integer, nullable=False),
)

Table(
    "model_version",
    metadata,
    id_(),
    owner("model"),
    Column("version", Integer, nullable=False),
    Column("run", Text),
    Column("snapshot", Text),
    Column("logged_model", Text),
    Column("source", Text),
    text("framework"),
    text("stage", ""),
    text("description"),
    text("tags_json"),
    text("properties_json"),
    text("files_json"),
    text("run_link", ""),
    Column("executes_code", Integer, nullable=False),
    text("user"),
    time_("created"),
    time_("updated"),
    Index("model_version_number", "model", "version", unique=True),
)

Table(
    "model_alias",
    metadata,
    owner("model"),
    text("alias"),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("model", "alias"),
)

Table(
    "logged_model",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    Column("experiment", BIG, ForeignKey("experiment.id"), nullable=False),
    text("name"),
    text("model_type", ""),
    Column("run", Text),
    text("status"),
    text("status_message", ""),
    text("params_json", "{}"),
    text("tags_json", "{}"),
    time_("created"),
    time_("updated"),
    time_("deleted", nullable=True),
    Index("logged_model_experiment", "experiment", "created"),
)

Table(
    "logged_model_file",
    metadata,
    owner("logged_model"),
    text("path"),
    text("digest"),
    count("size"),
    time_("created"),
    PrimaryKeyConstraint("logged_model", "path"),
)

Table(
    "logged_model_metric",
    metadata,
    id_(),
    owner("logged_model"),
    Column("run", Text),
    text("name"),
    Column("value", REAL),  # NULL is NaN
    Column("step", BIG, nullable=False),
    Column("time", BIG, nullable=False),
    text("dataset_name", ""),
    text("dataset_digest", ""),
    Index("logged_model_metric_name", "logged_model", "name"),
)

# A decision that the files of this digest may execute code when they are loaded.
Table(
    "model_trust",
    metadata,
    owner("model"),
    Column("version", Integer, nullable=False),
    text("digest"),
    text("user"),
    text("note", ""),
    time_("created"),
    PrimaryKeyConstraint("model", "version"),
)
