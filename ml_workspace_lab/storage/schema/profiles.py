"""What was measured of versions of models."""

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, Table

from ml_workspace_lab.storage.schema.columns import metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

Table(
    "model_profile",
    metadata,
    owner("model"),
    Column("version", Integer, nullable=False),
    text("content"),
    text("measured_json"),
    text("user"),
    time_("created"),
    PrimaryKeyConstraint("model", "version"),
)
