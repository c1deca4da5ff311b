"""The database: one schema, whole transactions, and a file that is known when it is replaced."""

import threading
from pathlib import Path

import pytest

from ml_workspace_lab.errors import Conflict, InvalidInput, Unavailable
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.storage.schema import sqlite_sql


def event_count(database: Database) -> int:
    row = database.one("SELECT count(*) AS n FROM event")
    assert row is not None
    return int(row["n"])


def test_the_sql_file_is_the_schema() -> None:
    from ml_workspace_lab import storage

    file = Path(storage.__file__).with_name("sqlite.sql")
    assert file.read_text() == sqlite_sql(), "run `make api`"


def test_an_exception_undoes_the_whole_transaction(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "x.db")
    with pytest.raises(ZeroDivisionError), database.write() as transaction:
        transaction.event("a", "b")
        raise ZeroDivisionError
    assert event_count(database) == 0


def test_writers_of_many_threads_wait_for_each_other(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "x.db")

    def write() -> None:
        for _ in range(25):
            with database.write() as transaction:
                transaction.event("a", "b")
        database.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert event_count(database) == 100


def test_a_file_that_is_no_workspace_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database" * 100)
    with pytest.raises(Unavailable, match="can't be read"):
        Database(tmp_path / "text.db").check()
    with pytest.raises(InvalidInput, match="is not there"):
        Database(tmp_path / "missing.db").check()
    assert not (tmp_path / "missing.db").exists(), "looking does not make a file"


def test_a_database_of_another_release_is_refused_unharmed(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "x.db")
    with database.write() as transaction:
        transaction.execute("PRAGMA user_version=99")
    with pytest.raises(Conflict, match="schema 99"):
        Database(tmp_path / "x.db").check()


def test_what_is_written_to_a_removed_database_is_refused_not_lost(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "x.db")
    assert event_count(database) == 0
    (tmp_path / "x.db").unlink()
    with pytest.raises(Unavailable, match="removed or replaced"), database.write():
        pass
    Database.create(tmp_path / "x.db")
    assert not database.is_there(), "another file has its name"
    with pytest.raises(Unavailable, match="removed or replaced"):
        event_count(database)
