"""What is kept of requests to endpoints, and where their figures go."""

from ml_workspace_lab.storage.migrations.revisions import take_step

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    take_step(14)
