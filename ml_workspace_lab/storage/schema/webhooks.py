"""Webhooks: who is told of what happens, and what is still to be told."""

from sqlalchemy import Column, Index, Integer, Table, Text

from ml_workspace_lab.storage.schema.columns import BIG, count, id_, metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

# `secret` is kept as it is, since it signs; `seen` is the newest event that was looked at.
Table(
    "webhook",
    metadata,
    id_(),
    Column("uid", Text, nullable=False, unique=True),
    text("name"),
    text("url"),
    text("description", ""),
    text("events_json"),
    Column("secret", Text),
    text("status"),
    count("seen"),
    time_("created"),
    time_("updated"),
)

# `event` is the id of what happened, so that a receiver can tell a repetition.
Table(
    "webhook_delivery",
    metadata,
    id_(),
    owner("webhook"),
    Column("event", BIG, nullable=False),
    text("kind"),
    text("payload_json"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    time_("due"),
    Index("webhook_delivery_due", "due"),
)

# Networks that are no part of the Internet and may be called nevertheless.
Table("webhook_network", metadata, Column("network", Text, primary_key=True))
