"""`python -m ml_workspace_lab.storage.schema` writes `sqlite.sql` and `postgresql.sql`."""

from pathlib import Path

from ml_workspace_lab.storage.schema.sql import DIALECTS, sql

for kind in DIALECTS:
    Path(__file__).parent.with_name(f"{kind}.sql").write_text(sql(kind), encoding="utf-8")
