"""The workspace itself, who may use it, and what has happened in it."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Text

from ml_workspace_lab.storage.schema.columns import id_, metadata, text
from ml_workspace_lab.storage.schema.columns import time as time_

Table(
    "workspace",
    metadata,
    id_(),
    text("uid"),
    text("name"),
    text("description"),
    text("tags_json"),
    time_("created"),
)

Table(
    "token",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    text("name"),
    Column("hash", LargeBinary, nullable=False),
    text("actions_json"),
    time_("created"),
    time_("expires"),
    time_("last_used", nullable=True),
    Column("run", Text),  # whose rights it carries, where not its maker's
    Column("attempt", Integer),  # the one attempt at the run that it is for
)

Table(
    "event",
    metadata,
    id_(),
    time_("time"),
    text("kind"),
    text("subject"),
    text("data_json"),
    sqlite_autoincrement=True,
)

Table(
    "audit",
    metadata,
    id_(),
    time_("time"),
    text("principal"),
    text("action"),
    text("target"),
    text("outcome"),
    text("request_id"),
)
