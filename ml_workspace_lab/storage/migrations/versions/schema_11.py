"""Documents of runs as MessagePack."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    take_step(11)
