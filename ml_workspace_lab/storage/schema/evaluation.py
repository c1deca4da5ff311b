"""Evaluation: datasets with their records, and scorers with their versions."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from ml_workspace_lab.storage.schema.columns import REAL, count, id_, metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

Table(
    "evaluation_dataset",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    text("name"),
    text("tags_json", "{}"),
    Column("fields_json", Text),
    text("digest"),
    count("records", 0),
    time_("created"),
    time_("updated"),
    Column("created_by", Text),
    Column("updated_by", Text),
    Index("evaluation_dataset_newest", "created", "id"),
)

Table(
    "evaluation_dataset_experiment",
    metadata,
    owner("evaluation_dataset"),
    owner("experiment"),
    PrimaryKeyConstraint("evaluation_dataset", "experiment"),
    Index("evaluation_dataset_of_experiment", "experiment", "evaluation_dataset"),
)

# `hash` is the SHA-256 of the inputs, by which a record is known again; `size` counts the
# characters of all its JSON.
Table(
    "evaluation_record",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    owner("evaluation_dataset"),
    text("hash"),
    text("inputs_json"),
    text("outputs_json"),
    text("expectations_json"),
    text("tags_json"),
    text("source_json"),
    count("size"),
    time_("created"),
    time_("updated"),
    Column("created_by", Text),
    Column("updated_by", Text),
    Index("evaluation_record_hash", "evaluation_dataset", "hash", unique=True),
    Index("evaluation_record_oldest", "evaluation_dataset", "id"),
)

# `share` of the traces that `filter` matches is to be scored; NULL where nothing was said of it.
Table(
    "scorer",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    owner("experiment"),
    text("name"),
    Column("sampling", Text, unique=True),
    Column("share", REAL),
    Column("filter", Text),
    Index("scorer_name", "experiment", "name", unique=True),
)

Table(
    "scorer_version",
    metadata,
    owner("scorer"),
    Column("version", Integer, nullable=False),
    text("content"),
    time_("created"),
    PrimaryKeyConstraint("scorer", "version"),
)
