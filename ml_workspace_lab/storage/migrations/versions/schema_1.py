"""The first release."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0001"
down_revision = None


def upgrade() -> None:
    take_step(1)
