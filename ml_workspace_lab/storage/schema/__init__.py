"""The one schema of a workspace's database, for SQLite and PostgreSQL.

`sqlite.sql` and `postgresql.sql` beside this package are generated from it (`make api`),
so that opening a workspace needs the standard library alone; a test holds the two together.
"""

from ml_workspace_lab.storage.schema import (
    attempts,
    compilations,
    contents,
    endpoints,
    environments,
    evaluation,
    instances,
    jobs,
    models,
    profiles,
    runs,
    tracing,
    webhooks,
    workspace,
)
from ml_workspace_lab.storage.schema.columns import metadata

__all__ = [
    "attempts",
    "compilations",
    "contents",
    "endpoints",
    "environments",
    "evaluation",
    "instances",
    "jobs",
    "metadata",
    "models",
    "profiles",
    "runs",
    "tracing",
    "webhooks",
    "workspace",
]
