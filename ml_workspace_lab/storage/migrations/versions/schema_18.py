"""Evaluation datasets and scorers."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    take_step(18)
