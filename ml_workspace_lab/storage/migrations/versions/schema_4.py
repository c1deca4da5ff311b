"""Contents in packs."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    take_step(4)
