"""PostgreSQL, by a URL that may name a schema of its own (`?options=-csearch_path=...`)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ml_workspace_lab.errors import Conflict, InvalidInput, Unavailable
from ml_workspace_lab.storage.database import (
    BUSY_SECONDS,
    SCHEMA_VERSION,
    Cursor,
    Database,
    Queries,
    Reading,
    Row,
    TooLong,
    Transaction,
    busy_seconds,
    other_schema,
)
from ml_workspace_lab.storage.pool import Pool
from ml_workspace_lab.storage.postgresql_errors import gone, translated_errors

if TYPE_CHECKING:
    from psycopg import Connection

READERS = 8
"""Connections that a process reads through at most; one more writes."""

# Literals, quoted names and comments are passed over, so that a mark inside them is none.
_MARK = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|(?<![:\w]):([a-z]\w*)""")
_LOCK = 0x4D4C5753
# The writers of one workspace take turns, as SQLite's do; other schemas have a lock of their own.
TAKE_TURN = f"SELECT pg_advisory_xact_lock({_LOCK}, hashtext(current_schema()))"
_BEGIN = f"BEGIN; {TAKE_TURN}; SELECT uid FROM workspace"  # noqa: S608
_BEGIN_QUICK = _BEGIN.replace("BEGIN;", "BEGIN; SET LOCAL synchronous_commit = off;")
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LIMIT = "; SET LOCAL statement_timeout = {}"

_SESSION = {
    # A server that has vanished is noticed, as is a process that stops in the middle of a write.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "connect_timeout": 10,
}
_SETTINGS = f"-c lock_timeout={BUSY_SECONDS:.0f}s -c idle_in_transaction_session_timeout=60s"


@lru_cache(maxsize=4096)
def _spelled(sql: str) -> str:
    """The statement with psycopg's marks for parameters."""
    return _MARK.sub(lambda m: f"%({m[1]})s" if m[1] else m[0], sql.replace("%", "%%"))


class PostgresQueries(Queries):
    def __init__(self, connection: "Connection[dict[str, Any]]") -> None:
        self._connection = connection

    def run(self, sql: str, parameters: Mapping[str, Any]) -> Cursor:
        # Binary: as text each byte of a document would be two, written and read again.
        return cast("Cursor", self._connection.execute(_spelled(sql), parameters, binary=True))

    def tuples(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        from psycopg.rows import tuple_row

        with self._connection.cursor(binary=True, row_factory=tuple_row) as cursor:
            return cursor.execute(_spelled(sql), parameters).fetchall()


class PostgresTransaction(PostgresQueries, Transaction):
    def many(self, sql: str, rows: Iterable[Mapping[str, Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_spelled(sql), rows)


class PostgresReading(PostgresQueries, Reading):
    def take_time(self) -> None:
        # Back to what whoever runs the server allows.
        self._connection.execute("SET LOCAL statement_timeout TO DEFAULT")


class PostgresDatabase(Database):
    """The schema of a PostgreSQL database that a URL leads to; `pointer` is the file that names it
    in the workspace's folder."""

    def __init__(self, url: str, pointer: Path) -> None:
        self.url = url
        self._pointer = pointer
        self._identity: str | None = None
        self._readers = Pool(self._open, READERS)
        self._writers = Pool(self._open, 1)

    @classmethod
    def create(cls, url: str, pointer: Path) -> "PostgresDatabase":
        """The tables of an empty workspace. Raises Conflict where there is one already."""
        database = cls(url, pointer)
        if database._version() is not None:
            raise Conflict(
                "There is a workspace in that database already.",
                field="database",
                hint="Name another database, or another schema: ?options=-csearch_path=NAME.",
            )
        with translated_errors(), database._writers.borrowed() as connection:
            connection.execute(f"BEGIN; {_schema()} {_stamp()} COMMIT")
        return database

    def upgrade(self) -> None:
        with translated_errors():
            from ml_workspace_lab.storage.migrations import revisions

            with revisions.postgresql(self.url) as connection:
                connection.exec_driver_sql(TAKE_TURN)
                revisions.upgrade(connection, self._pointer.parent)

    def check(self) -> None:
        version = self._version()
        if version is None:
            raise InvalidInput(
                "There is no workspace in that database.",
                field="database",
                hint="Check the URL's database and schema (?options=-csearch_path=NAME).",
            )
        if version != SCHEMA_VERSION:
            raise other_schema(version)

    def run(self, sql: str, parameters: Mapping[str, Any]) -> Cursor:
        with translated_errors(), self._readers.borrowed() as connection:
            return PostgresQueries(connection).run(sql, parameters)

    def tuples(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with translated_errors(), self._readers.borrowed() as connection:
            return PostgresQueries(connection).tuples(sql, **parameters)

    @contextmanager
    def read(self, seconds: float | None = None) -> Iterator[Reading]:
        with translated_errors(), self._readers.borrowed() as connection:
            from psycopg.errors import QueryCanceled

            limit = "" if seconds is None else _LIMIT.format(max(1, int(seconds * 1000)))
            connection.execute(_SNAPSHOT + limit)
            try:
                yield PostgresReading(connection)
            except QueryCanceled as error:
                raise TooLong from error
            connection.commit()  # a rollback would have psycopg forget what is prepared

    @contextmanager
    def write(self, *, durable: bool = True, frees: bool = False) -> Iterator[Transaction]:  # noqa: ARG002 - the server's disk is its own
        with translated_errors(), self._writers.borrowed() as connection:
            begin = _BEGIN if durable else _BEGIN_QUICK
            if (seconds := busy_seconds()) < BUSY_SECONDS:
                limit = f"SET LOCAL lock_timeout = {max(1, round(seconds * 1000))}"
                begin = begin.replace("BEGIN;", f"BEGIN; {limit};")
            begun = connection.execute(begin)
            while begun.nextset():
                pass
            self._require_same(begun.fetchone())
            yield PostgresTransaction(connection)
            _commit(connection)

    def findings(self) -> list[str]:
        present = self.all("SELECT relname AS name FROM pg_class WHERE pg_table_is_visible(oid)")
        names = {row["name"] for row in present}
        found = [f"the table {table} is missing" for table in tables() if table not in names]
        invalid = self.all(
            "SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE NOT i.indisvalid AND pg_table_is_visible(c.oid)"
        )
        return found + [f"the index {row['name']} is not valid" for row in invalid]

    def describe(self) -> str:
        row = self.one(
            "SELECT current_setting('server_version') AS version, current_database() AS name,"
            " current_schema() AS schema, host(inet_server_addr()) AS host,"
            " inet_server_port() AS port"
        )
        assert row is not None
        where = f"{row['host']}:{row['port']}" if row["host"] else "this machine"
        return (
            f"PostgreSQL {row['version']} on {where}:"
            f" database {row['name']}, schema {row['schema']}"
        )

    def copy_to(self, path: Path) -> None:
        from ml_workspace_lab.storage.copying import copy_rows
        from ml_workspace_lab.storage.sqlite import SqliteDatabase

        target = SqliteDatabase.create(path)
        with translated_errors(), self._readers.borrowed() as connection:
            connection.execute(_SNAPSHOT)
            copy_rows(lambda table: _rows(connection, table), tables(), target)
        target.close()

    def size(self) -> int:
        row = self.one(
            "SELECT sum(pg_total_relation_size(oid)) AS bytes FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
        assert row is not None
        return int(row["bytes"])

    def shrink(self) -> None:
        # Plain VACUUM only makes space free for later rows, and cuts off empty ends: it lets
        # everybody go on, which VACUUM FULL does not.
        with translated_errors(), self._writers.borrowed() as connection:
            for table in tables():
                connection.execute(f'VACUUM "{table}"')

    def is_there(self) -> bool:
        if not self._has("workspace"):
            return False
        row = self.one("SELECT uid FROM workspace")
        found = row["uid"] if row else None
        self._identity = self._identity or found
        return found is not None and found == self._identity

    def require(self) -> None:
        # Of the tables, a transaction looks; but files must not be put into a folder that has gone.
        if not self._pointer.exists():
            raise gone()

    def drop(self) -> None:
        with translated_errors(), self._writers.borrowed() as connection:
            names = ", ".join(f'"{name}"' for name in (*tables(), "alembic_version"))
            connection.execute(f"DROP TABLE IF EXISTS {names} CASCADE")
        self.close()

    def close(self) -> None:
        self._readers.close()
        self._writers.close()

    def _require_same(self, row: Row | None) -> None:
        found = row["uid"] if row else None
        self._identity = self._identity or found
        if found != self._identity:
            raise gone()

    def _has(self, table: str) -> bool:
        row = self.one("SELECT to_regclass(:table) AS found", table=table)
        return row is not None and row["found"] is not None

    def _version(self) -> int | None:
        if not self._has("alembic_version"):
            return None
        row = self.one("SELECT version_num AS version FROM alembic_version")
        return int(row["version"]) if row else None

    def _open(self) -> "Connection[dict[str, Any]]":
        from psycopg import Connection, ProgrammingError, conninfo
        from psycopg.rows import dict_row

        try:
            wanted: dict[str, Any] = _SESSION | conninfo.conninfo_to_dict(self.url)
        except ProgrammingError:
            # The library's words may repeat the URL, password and all.
            raise InvalidInput("The database's URL can't be read.", field="database") from None
        wanted["options"] = f"{_SETTINGS} {wanted.get('options', '')}"
        wanted.setdefault("application_name", "ml_workspace_lab")
        return Connection.connect(**wanted, autocommit=True, row_factory=dict_row)


@cache
def _schema() -> str:
    return resources.files(__package__).joinpath("postgresql.sql").read_text(encoding="utf-8")


def _stamp() -> str:
    """What tells Alembic, and us, which schema this is."""
    return (
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"  # noqa: S608
        " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));"
        f" INSERT INTO alembic_version VALUES ('{SCHEMA_VERSION:04}');"
    )


@cache
def tables() -> list[str]:
    """The workspace's tables, each after those that it refers to."""
    return re.findall(r'^CREATE TABLE "?(\w+)', _schema(), flags=re.MULTILINE)


def _commit(connection: "Connection[dict[str, Any]]") -> None:
    from psycopg import OperationalError

    try:
        answer = connection.execute("COMMIT").statusmessage
    except OperationalError as error:
        raise Unavailable(
            "The connection to the database was lost while a change was being made final.",
            hint="Look whether it was made, and make it again where it was not.",
        ) from error
    assert answer == "COMMIT", "a statement of the transaction had failed"


def _rows(connection: "Connection[dict[str, Any]]", table: str) -> Iterator[dict[str, Any]]:
    """The rows of a table, fetched bit by bit."""
    with connection.cursor(name="rows") as cursor:
        cursor.itersize = 1000
        cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
        yield from cursor
