"""Deployments on attached compute targets."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    take_step(16)
