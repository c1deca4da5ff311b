"""Attempts at runs, and tokens that are for one."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    take_step(5)
