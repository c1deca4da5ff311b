"""Models as graphs, and the engines of endpoints."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    take_step(10)
