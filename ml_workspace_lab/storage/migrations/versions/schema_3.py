"""Compute targets as records, stages of the queue, runs that wait for others."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    take_step(3)
