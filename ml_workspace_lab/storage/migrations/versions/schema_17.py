"""Compute instances that are jobs of a compute target."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    take_step(17)
