"""Metrics as chunks, one table of attributes, documents of runs; trash; logged models; lineage."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    take_step(2)
