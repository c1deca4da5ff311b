"""Compute instances: Jupyter servers with a name and an owner."""

from sqlalchemy import Column, Table, Text

from ml_workspace_lab.storage.schema.columns import REAL, count, id_, metadata, text
from ml_workspace_lab.storage.schema.columns import time as time_

# `launch` numbers the starts of its server; `since` is the time up to which its schedules are done
# with.
Table(
    "compute_instance",
    metadata,
    id_(),
    Column("name", Text, nullable=False, unique=True),
    text("state"),
    text("reason"),
    count("launch"),
    text("operation_json"),
    text("owner"),
    Column("assigned_user", Text),
    Column("environment", Text),
    Column("idle_seconds", REAL),
    text("schedules_json"),
    time_("since"),
    text("scripts_json"),
    text("variables_json"),
    count("restarts", 0),
    text("description"),
    text("tags_json"),
    time_("created"),
    time_("updated"),
    text("compute_target", "local"),
    Column("resources_json", Text),
)
