"""Graphs of models that were verified against the models, and why others were not kept."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from ml_workspace_lab.storage.schema.columns import metadata, owner, text
from ml_workspace_lab.storage.schema.columns import time as time_

Table(
    "model_compilation",
    metadata,
    owner("model"),
    Column("version", Integer, nullable=False),
    text("content"),
    Column("onnx", Text),  # the content of the graph; NULL where none may stand for the model
    text("verdict_json"),
    text("user"),
    time_("created"),
    PrimaryKeyConstraint("model", "version"),
    Index("model_compilation_content", "content"),
)
