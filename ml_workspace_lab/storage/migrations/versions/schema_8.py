"""Variables and limits of endpoints."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    take_step(8)
