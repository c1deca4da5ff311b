"""Deployments with several workers."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    take_step(15)
