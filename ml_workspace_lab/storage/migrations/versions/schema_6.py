"""Environments, and what runs ran in."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    take_step(6)
