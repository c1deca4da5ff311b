"""Issues that were found in traces."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    take_step(19)
