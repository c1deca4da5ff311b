"""Both databases: one schema, whole transactions, and a workspace that is known to have gone."""

import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab import storage
from ml_workspace_lab.errors import Conflict, InvalidInput, Unavailable
from ml_workspace_lab.storage.database import SCHEMA_VERSION, Database
from ml_workspace_lab.storage.engine import create_database, open_database
from ml_workspace_lab.storage.postgresql import _spelled, tables
from ml_workspace_lab.storage.schema import metadata
from ml_workspace_lab.storage.schema.sql import DIALECTS, DatabaseKind, sql


@pytest.fixture
def database(tmp_path: Path, database_url: str | None) -> Iterator[Database]:
    made = create_database(tmp_path, database_url)
    with made.write() as transaction:
        transaction.insert(
            "workspace", uid="a", name="x", description="", tags_json="{}", created=1
        )
    yield made
    made.close()


def event_count(database: Database) -> int:
    row = database.one("SELECT count(*) AS n FROM event")
    assert row is not None
    return int(row["n"])


@pytest.mark.parametrize("kind", DIALECTS)
def test_the_sql_file_is_the_schema(kind: DatabaseKind) -> None:
    file = Path(storage.__file__).with_name(f"{kind}.sql")
    assert file.read_text() == sql(kind), "run `make api`"


def test_every_table_comes_after_those_it_refers_to() -> None:
    assert set(tables()) == set(metadata.tables)
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            assert tables().index(key.column.table.name) < tables().index(table.name)


def test_an_exception_undoes_the_whole_transaction(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as transaction:
        transaction.event("a", "b")
        raise ZeroDivisionError
    assert event_count(database) == 0


def test_what_a_transaction_wrote_is_seen_by_it_and_by_nobody_else_yet(database: Database) -> None:
    with database.write() as transaction:
        transaction.event("a", "b")
        assert len(transaction.all("SELECT * FROM event")) == 1
        assert event_count(database) == 0
    assert event_count(database) == 1


def test_writers_of_many_threads_wait_for_each_other(database: Database) -> None:
    def write() -> None:
        for index in range(25):
            with database.write(durable=bool(index % 2)) as transaction:
                row = transaction.one("SELECT coalesce(max(id), 0) AS n FROM event")
                assert row is not None
                assert transaction.event("a", "b") == row["n"] + 1
        database.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert event_count(database) == 100


def test_a_snapshot_does_not_change_while_others_write(database: Database) -> None:
    with database.read() as queries:
        before = queries.all("SELECT * FROM event")
        thread = threading.Thread(target=lambda: _add_event(database))
        thread.start()
        thread.join()
        assert queries.all("SELECT * FROM event") == before == []
    assert event_count(database) == 1


def _add_event(database: Database) -> None:
    with database.write() as transaction:
        transaction.event("a", "b")
    database.close()


def test_a_child_of_a_fork_has_connections_of_its_own(database: Database) -> None:
    with database.write() as transaction:
        transaction.event("parent", "b")
        child = os.fork()
        if child == 0:
            os._exit(0 if event_count(database) == 0 else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert event_count(database) == 1
    child = os.fork()
    if child == 0:
        _add_event(database)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    _add_event(database)
    assert event_count(database) == 3


def test_a_thread_that_waits_too_long_is_told_so(tmp_path: Path) -> None:
    database = create_database(tmp_path, None)
    with database.write():
        refused: list[Exception] = []

        def write() -> None:
            try:
                _add_event(database)
            except Unavailable as error:
                refused.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        thread.join(8)
        assert not thread.is_alive()
    assert "over 5 s" in str(refused[0])
    _add_event(database)


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(),
    st.floats(allow_nan=False) | st.sampled_from([math.inf, -math.inf, -0.0, 5e-324]),
)
def test_values_come_back_as_they_went_in(
    both: list[Database], text: str, integer: int, content: bytes, number: float
) -> None:
    for database in both:
        with database.write(durable=False) as transaction:
            transaction.execute("DELETE FROM logged_model_metric")
            transaction.execute("DELETE FROM snapshot")
            transaction.execute("UPDATE logged_model SET name = :text", text=text)
            transaction.insert(
                "logged_model_metric",
                logged_model=1,
                name=text,
                value=number,
                step=integer,
                time=0,
            )
            transaction.execute("UPDATE token SET hash = :content", content=content)
        row = database.one("SELECT * FROM logged_model_metric WHERE name = :text", text=text)
        assert row is not None
        assert (row["name"], row["step"], row["value"]) == (text, integer, number)
        kept = database.one("SELECT hash FROM token")
        assert kept is not None
        assert bytes(kept["hash"]) == content


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[list[Database]]:
    """A database of each kind, with a logged model and a token."""
    cluster = request.getfixturevalue("postgresql")
    with cluster.schema() as url:
        made = [create_database(tmp_path_factory.mktemp("db"), one) for one in (None, url)]
        for database in made:
            with database.write() as t:
                t.insert("workspace", uid="a", name="", description="", tags_json="", created=1)
                t.insert("experiment", id=1, uid="a", name="", description="", created=1, updated=1)
                columns = {"name": "", "status": "", "created": 1, "updated": 1}
                t.insert("logged_model", id=1, uid="a", experiment=1, **columns)
                t.insert("token", uid="a", name="", hash=b"", actions_json="", created=1, expires=1)
        yield made
        for database in made:
            database.close()


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("SELECT :a, x::text, ':b' -- :c\n, :d", "SELECT %(a)s, x::text, ':b' -- :c\n, %(d)s"),
        ("SELECT 'it''s :a', \":b\", :c", "SELECT 'it''s :a', \":b\", %(c)s"),
        ("a LIKE :a || '%' AND b IN (:b0, :b1)", "a LIKE %(a)s || '%%' AND b IN (%(b0)s, %(b1)s)"),
    ],
)
def test_only_marks_outside_of_literals_are_parameters(written: str, sent: str) -> None:
    assert _spelled(written) == sent


def test_a_database_of_another_release_is_refused_unharmed(
    database: Database, tmp_path: Path, database_url: str | None
) -> None:
    with database.write() as transaction:
        if database_url is None:
            transaction.execute("PRAGMA user_version=99")
        else:
            transaction.execute("UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(Conflict, match=f"schema 99, this release reads {SCHEMA_VERSION}"):
        open_database(tmp_path).check()


def test_a_database_that_is_taken_takes_no_second_workspace(
    tmp_path: Path, database: Database, database_url: str | None
) -> None:
    if database_url is not None:
        with pytest.raises(Conflict, match="already"):
            create_database(tmp_path, database_url)
    assert event_count(database) == 0


def test_a_workspace_that_was_removed_or_replaced_takes_nothing_more(
    tmp_path: Path, database: Database, database_url: str | None
) -> None:
    assert database.is_there()
    assert event_count(database) == 0
    database.drop()
    (tmp_path / "workspace.db").unlink(missing_ok=True)
    assert not database.is_there()
    with pytest.raises(Unavailable, match="removed or replaced"), database.write():
        pass
    successor = create_database(tmp_path, database_url)
    with successor.write() as transaction:
        transaction.insert(
            "workspace", uid="b", name="x", description="", tags_json="{}", created=1
        )
    assert not database.is_there(), "another has its place"
    with pytest.raises(Unavailable, match="removed or replaced"), database.write() as transaction:
        transaction.event("lost", "lost")
    assert event_count(successor) == 0
    successor.close()


def test_a_file_that_is_no_workspace_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "workspace.db").write_text("not a database" * 100)
    with pytest.raises(Unavailable, match="can't be read"):
        open_database(tmp_path).check()
    assert not list(tmp_path.glob("*.damaged"))
    with pytest.raises(InvalidInput, match="is not there"):
        open_database(tmp_path / "missing").check()
    assert not (tmp_path / "missing").exists(), "looking does not make a file"


@pytest.mark.parametrize("content", ["", "{}", "[]", "no JSON", '{"url": 5}', '{"url": "x"}'])
def test_a_damaged_pointer_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "database.json").write_text(content)
    with pytest.raises(InvalidInput):
        open_database(tmp_path)
