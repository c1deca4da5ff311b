"""ML Workspace Lab in process, with its tables in PostgreSQL."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from adapters.ours import Ours

SERVER = os.environ.get("BENCHMARK_POSTGRESQL", "")
"""The URL of a database whose server lets us make others."""


class OursPostgresql(Ours):
    """A database of its own for every turn."""

    name = "ours-postgresql"

    def bytes_elsewhere(self) -> int:
        return self.workspace.connection.storage.database.size()

    @classmethod
    def missing(cls) -> str:
        return "" if SERVER else "BENCHMARK_POSTGRESQL=postgresql://USER@HOST/postgres is not set"

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        import psycopg

        from ml_workspace_lab import Workspace

        name = f"bench_{uuid.uuid4().hex}"
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f'create database "{name}"')
            try:
                url = urlsplit(SERVER)._replace(path=f"/{name}").geturl()
                Workspace.create("bench", folder / "store", database=url).close()
                yield str(folder / "store")
            finally:
                server.execute(f'drop database "{name}" with (force)')
