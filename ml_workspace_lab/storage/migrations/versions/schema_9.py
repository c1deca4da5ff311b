"""Decisions to trust models that execute code."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    take_step(9)
