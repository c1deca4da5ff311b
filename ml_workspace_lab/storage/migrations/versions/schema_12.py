"""Endpoints with several deployments."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    take_step(12)
