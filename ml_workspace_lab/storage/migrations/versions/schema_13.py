"""What was measured of versions of models."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    take_step(13)
