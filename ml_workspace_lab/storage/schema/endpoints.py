"""Endpoints, and the model versions behind them."""

from sqlalchemy import Column, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from ml_workspace_lab.storage.schema.columns import id_, metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

Table(
    "endpoint",
    metadata,
    id_(),
    Column("name", Text, nullable=False, unique=True),
    Column("port", Integer, nullable=False),
    Column("generation", Integer, nullable=False),  # the last one of its deployments
    Column("primary_hash", LargeBinary, nullable=False),
    Column("secondary_hash", LargeBinary, nullable=False),
    text("tags_json"),
    text("user"),
    time_("created"),
    time_("updated"),
    text("traffic_json", "{}"),
    text("mirror_json", "{}"),
    Column("rollback_json", Text),
    Column("rollout_json", Text),
    Column("rolled_back_json", Text),
    Column("export_json", Text),
)

Table(
    "endpoint_export",  # one row, of what counts for endpoints without a setting of their own
    metadata,
    id_(),
    text("export_json"),
)

Table(
    "deployment",
    metadata,
    owner("endpoint"),
    text("name"),
    text("model"),
    Column("version", Integer, nullable=False),
    Column("scoring_script", Text),
    Column("python", Text),
    text("state"),
    text("reason"),
    Column("generation", Integer, nullable=False),
    Column("restarts", Integer, nullable=False, server_default="0"),
    text("variables_json", "{}"),
    text("settings_json", "{}"),
    text("engine", "auto"),
    text("providers_json", "[]"),
    Column("served_json", Text),
    text("user"),
    time_("created"),
    time_("updated"),
    Column("sampling_json", Text),
    text("scaling_json", "{}"),
    Column("workers", Integer, nullable=False, server_default="0"),  # that answer
    text("compute_target", "local"),
    Column("environment", Text),
    Column("resources_json", Text),
    PrimaryKeyConstraint("endpoint", "name"),
)
