"""Compute instances."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    take_step(7)
