"""PostgreSQL when things go wrong: a restarted server, lost connections, locks, wrong URLs."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput, Unavailable, WorkspaceError
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.storage.engine import POINTER, create_database
from ml_workspace_lab.storage.postgresql import READERS, PostgresDatabase
from ml_workspace_lab.storage.sqlite import SqliteDatabase
from tests.conftest import eventually
from tests.postgresql import Cluster, running_cluster

SECRET = "hunter2%21"


@pytest.fixture
def url(postgresql: Cluster) -> Iterator[str]:
    with postgresql.schema() as url:
        yield url


@pytest.fixture
def database(tmp_path: Path, url: str) -> Iterator[Database]:
    made = create_database(tmp_path, url)
    with made.write() as transaction:
        transaction.insert(
            "workspace", uid="a", name="x", description="", tags_json="{}", created=1
        )
    yield made
    made.close()


def add_event(database: Database) -> None:
    with database.write() as transaction:
        transaction.event("a", "b")


def events(database: Database) -> int:
    row = database.one("SELECT count(*) AS n FROM event")
    assert row is not None
    return int(row["n"])


def end_connections(url: str, state: str = "%") -> int:
    """Have the server end the package's connections in such a state; how many."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'ml_workspace_lab' AND state LIKE %s",
            (state,),
        )
        return len(rows.fetchall())


def connections(url: str) -> int:
    with psycopg.connect(url) as connection:
        [[found]] = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ml_workspace_lab'"
        ).fetchall()
    return int(found)


def test_after_a_restart_of_the_server_work_goes_on(tmp_path: Path) -> None:
    with running_cluster() as cluster:
        ws = Workspace.create("lab", tmp_path / "store", database=cluster.url("public"))
        run = ws.experiment("e").start_logging()
        run.log("loss", 1.0)
        run.flush()
        cluster.stop()
        run.log("loss", 2.0)
        for refused in (ws.runs, run.flush, ws.experiment("f").start_logging):
            with pytest.raises(Unavailable) as refusal:
                refused()
            assert refusal.value.status == 503
            assert str(cluster.folder) not in str(refusal.value)
        cluster.start()
        run.log("loss", 3.0)
        run.complete()
        assert run.get_metrics() == {"loss": [1.0, 2.0, 3.0]}
        ws.close()


def test_connections_that_the_server_ended_are_replaced(database: Database, url: str) -> None:
    add_event(database)
    assert events(database) == 1
    assert end_connections(url) >= 2
    add_event(database)
    assert events(database) == 2


def test_a_transaction_whose_connection_is_lost_is_not_half_done(
    database: Database, url: str
) -> None:
    with pytest.raises(Unavailable), database.write() as transaction:
        transaction.event("a", "b")
        assert end_connections(url, "idle in transaction") == 1
        transaction.event("a", "b")
    assert events(database) == 0
    with pytest.raises(Unavailable, match="made final"), database.write() as transaction:
        transaction.event("a", "b")
        assert end_connections(url, "idle in transaction") == 1
    assert events(database) == 0
    with pytest.raises(Unavailable), database.read() as queries:
        queries.one("SELECT 1 AS one")
        end_connections(url, "idle in transaction")
        queries.one("SELECT 1 AS one")
    add_event(database)
    assert events(database) == 1


def test_a_statement_that_failed_and_was_ignored_does_not_pass_for_done(database: Database) -> None:
    with pytest.raises(AssertionError), database.write() as transaction:
        transaction.event("a", "b")
        with pytest.raises(psycopg.DataError):
            transaction.execute("SELECT 1 / :zero", zero=0)
    assert events(database) == 0


def test_a_lock_that_somebody_else_holds_is_waited_for_five_seconds(
    database: Database, url: str
) -> None:
    other = PostgresDatabase(url, Path(__file__))
    with other.write():
        began = time.monotonic()
        with pytest.raises(Unavailable, match="over 5 s") as refusal:
            add_event(database)
        assert 4 < time.monotonic() - began < 8
        assert refusal.value.status == 503
        assert events(database) == 0, "who only reads waits for nobody"
    other.close()
    add_event(database)


def test_writers_of_other_schemas_do_not_wait(
    database: Database, postgresql: Cluster, tmp_path: Path
) -> None:
    with postgresql.schema() as elsewhere, database.write():
        (tmp_path / "other").mkdir()
        Workspace.create("lab", tmp_path / "other" / "store", database=elsewhere).close()


def test_connections_are_bounded_however_many_threads_there_are(
    database: Database, url: str
) -> None:
    before = connections(url)
    problems: list[WorkspaceError] = []

    def work() -> None:
        try:
            for _ in range(5):
                add_event(database)
                with database.read() as queries:
                    queries.all("SELECT * FROM event")
        except WorkspaceError as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert events(database) == 150
    assert connections(url) - before <= READERS + 1
    database.close()
    assert eventually(lambda: connections(url) < max(before, 1), what="they are closed")


def test_more_readers_than_there_are_connections_wait_for_each_other(database: Database) -> None:
    entered, leave = threading.Barrier(READERS + 1), threading.Event()

    def hold() -> None:
        with database.read() as queries:
            queries.one("SELECT 1 AS one")
            entered.wait(10)
            leave.wait(30)

    threads = [threading.Thread(target=hold) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    entered.wait(10)
    with pytest.raises(Unavailable):
        events(database)
    leave.set()
    for thread in threads:
        thread.join()
    assert events(database) == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (f"postgresql://ada:{SECRET}@127.0.0.1:1/x", Unavailable),
        (f"postgresql://ada:{SECRET}@no-such-host.invalid/x", Unavailable),
        (f"postgresql://ada:{SECRET}@127.0.0.1:port/x", Unavailable),
        (f"postgresql://ada:{SECRET}@h/x?nonsense=1", InvalidInput),
        (f"postgresql://ada:{SECRET}%zz@h/x", InvalidInput),
        (f"postgresql://ada:{SECRET}@[::1/x", InvalidInput),
        ("mysql://ada:hunter2%21@h/x", InvalidInput),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(
    tmp_path: Path, wrong: str, says: type[WorkspaceError]
) -> None:
    with pytest.raises(says) as refusal:
        Workspace.create("lab", tmp_path / "store", database=wrong)
    told = f"{refusal.value} {refusal.value.hint} {refusal.value.__cause__!r}"
    assert "hunter2" not in told
    assert not (tmp_path / "store" / "ready").exists()


def test_a_server_that_refuses_says_why(tmp_path: Path, postgresql: Cluster) -> None:
    nowhere = postgresql.url("public").replace("/postgres?", "/no_such_database?")
    with pytest.raises(Unavailable, match="does not exist"):
        Workspace.create("lab", tmp_path / "store", database=nowhere)
    missing = postgresql.url("no_such_schema")
    with pytest.raises(InvalidInput, match="no such schema"):
        Workspace.create("lab", tmp_path / "other", database=missing)


def test_the_url_is_readable_for_the_owner_alone(tmp_path: Path, url: str) -> None:
    ws = Workspace.create("lab", tmp_path / "store", database=url)
    pointer = tmp_path / "store" / POINTER
    assert json.loads(pointer.read_text()) == {"url": url}
    assert pointer.stat().st_mode & 0o077 == 0
    ws.close()


def test_diagnosis_says_where_the_records_are_but_not_who_reads_them(
    tmp_path: Path, url: str, database: Database
) -> None:
    (tmp_path / "store").mkdir()
    database.drop()
    ws = Workspace.create("lab", tmp_path / "store", database=url)
    [found] = [item for item in ws.diagnose().items if item.check == "database"]
    assert found.level == "Information"
    assert found.message.startswith("PostgreSQL ")
    assert "schema t" in found.message
    assert "postgres@" not in found.message
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE lineage RENAME TO elsewhere")
    [found] = [item for item in ws.diagnose().items if item.check == "database"]
    assert found.level == "Error"
    assert "lineage is missing" in found.message
    ws.close()


def test_a_value_that_postgresql_can_not_keep_is_refused_in_words(database: Database) -> None:
    with pytest.raises(InvalidInput, match="can't be kept"), database.write() as transaction:
        transaction.event("a", "nul\0")
    with pytest.raises(InvalidInput, match="can't be kept"), database.write() as transaction:
        transaction.execute("UPDATE workspace SET created = :much", much=2**70)


def test_a_copy_of_it_is_a_sqlite_file_with_all_rows(database: Database, tmp_path: Path) -> None:
    for _ in range(1500):
        add_event(database)
    database.copy_to(tmp_path / "copy.db")
    copy = SqliteDatabase(tmp_path / "copy.db")
    copy.check()
    sql = "SELECT id, kind, subject FROM event ORDER BY id"
    assert [dict(row) for row in copy.all(sql)] == [dict(row) for row in database.all(sql)]
    add_event(copy)
    copy.close()
