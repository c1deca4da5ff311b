"""Upgrading through Alembic: what PostgreSQL uses, in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, text

from ml_workspace_lab.storage.database import Cursor, Transaction
from ml_workspace_lab.storage.migrations import steps

PACKAGE = "ml_workspace_lab.storage:migrations"


def upgrade(connection: Connection, folder: Path, revision: str = "head") -> None:
    """Bring the database of the workspace in `folder` to a revision."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection, "folder": folder})
    config.set_main_option("script_location", PACKAGE)
    command.upgrade(config, revision)


@contextmanager
def postgresql(url: str) -> Iterator[Connection]:
    """A connection whose work becomes durable at the end of the block, or is undone whole."""
    import psycopg

    engine: Engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def take_step(version: int) -> None:
    """The whole of a revision: the step to that schema."""
    from alembic import context, op

    connection = op.get_bind()
    kind = cast("steps.DatabaseKind", connection.dialect.name)
    transaction, folder = _Bound(connection), context.config.attributes["folder"]
    if version > 1:
        steps.require_rest(transaction, folder)
    steps.take(transaction, version, kind, folder)


class _Bound(Transaction):
    """A connection of SQLAlchemy as the steps use it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, sql: str, parameters: Mapping[str, Any]) -> Cursor:
        result = self._connection.execute(text(sql), dict(parameters))
        return cast("Cursor", result.mappings() if result.returns_rows else result)

    def tuples(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._connection.execute(text(sql), parameters)]

    def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:  # type: ignore[override]
        self._connection.execute(text(sql), [dict(row) for row in rows])
