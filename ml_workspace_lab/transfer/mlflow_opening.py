"""Which kind of MLflow store a URI names."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ml_workspace_lab.errors import InvalidInput, NotFound, shown
from ml_workspace_lab.transfer.mlflow_database import DatabaseSource
from ml_workspace_lab.transfer.mlflow_folder import FolderSource
from ml_workspace_lab.transfer.mlflow_server import ServerSource
from ml_workspace_lab.transfer.mlflow_source import Source


def open_source(uri: str) -> tuple[Source, Path | None]:
    """The store, and the folder that its artifacts lie below by default."""
    scheme = uri.partition("://")[0] if "://" in uri else ""
    if scheme in ("http", "https"):
        return ServerSource(uri), None
    if scheme == "sqlite":
        path = Path(unquote(uri.removeprefix("sqlite://").removeprefix("/")))
        return _open_sqlite(path), path.absolute().parent
    if scheme not in ("", "file"):
        return _open_url(uri), None
    path = Path(unquote(urlsplit(uri).path) if scheme else uri).expanduser()
    if path.is_dir():
        return FolderSource(path), path.absolute().parent
    if not path.is_file():
        raise NotFound(
            f"There is neither a file nor a folder {shown(uri)}.",
            field="source",
            hint="Name a database (sqlite:///FILE), a folder (mlruns) or a server (http://...).",
        )
    with path.open("rb") as file:
        head = file.read(6)
    if head != b"SQLite":
        raise InvalidInput(f"{shown(uri)} is not an SQLite database.", field="source")
    return _open_sqlite(path), path.absolute().parent


def _open_sqlite(path: Path) -> DatabaseSource:
    """MLflow's database in a file, which is only read. Raises NotFound, InvalidInput."""
    if not path.is_file():
        raise NotFound(f"There is no file {shown(path)}.", field="source")
    connection, lenient_one = (
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=20)
        for _ in range(2)
    )
    lenient_one.text_factory = _text_or_bytes
    try:
        tables = {
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    except sqlite3.DatabaseError as error:
        raise InvalidInput(f"{shown(path)} can't be read: {error}.", field="source") from None

    def query(
        sql: str, named: Mapping[str, Any], *, plain: bool = False, lenient: bool = False
    ) -> Iterator[Any]:
        cursor = (lenient_one if lenient else connection).execute(sql, named)
        if plain:
            return cursor
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)

    return DatabaseSource(query, tables)


def _open_url(url: str) -> DatabaseSource:
    """MLflow's database at a URL of SQLAlchemy's. Raises InvalidInput where it can't be read."""
    try:
        import sqlalchemy
    except ImportError:
        raise InvalidInput(
            "SQLAlchemy is needed for a database that is not SQLite.",
            field="source",
            hint="pip install sqlalchemy, and the database's driver.",
        ) from None
    try:
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
        connection = engine.connect()
        tables = set(sqlalchemy.inspect(engine).get_table_names())
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        # The whole message may repeat the URL, password and all.
        asked = isinstance(error, sqlalchemy.exc.DBAPIError)
        raise InvalidInput(
            f"The database can't be read: {type(error).__name__}.",
            field="source",
            hint="See whether the server runs there and takes this user, password and database."
            if asked
            else "See whether the URL's scheme is right and the driver that it wants is installed.",
        ) from None

    def query(
        sql: str,
        named: Mapping[str, Any],
        *,
        plain: bool = False,
        lenient: bool = False,  # noqa: ARG001 - such databases take nothing but text
    ) -> Iterator[Any]:
        result = connection.execute(sqlalchemy.text(sql), named)
        return iter(result) if plain else iter(result.mappings())

    return DatabaseSource(query, tables)


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def without_password(uri: str) -> str:
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", uri)
