"""Journals that the server keeps open: few, whole, and closed without loss."""

import threading
from collections.abc import Iterator

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import NotFound, Unavailable
from ml_workspace_lab.experiments.model import EndRun, StartRun
from ml_workspace_lab.experiments.search.model import SearchRuns
from ml_workspace_lab.experiments.trash import Purge
from ml_workspace_lab.mlflow import writers
from ml_workspace_lab.mlflow.writers import Writers


@pytest.fixture
def connection(ws: Workspace) -> LocalConnection:
    assert isinstance(ws.connection, LocalConnection)
    return ws.connection


@pytest.fixture
def kept(connection: LocalConnection) -> Iterator[Writers]:
    made = Writers()
    yield made
    for run in connection.runs.list().items:
        made.drop(run.run_id)


def start(connection: LocalConnection) -> str:
    return str(connection.runs.start("e", StartRun(kind="external")).run_id)


def test_a_journal_is_kept_open(connection: LocalConnection, kept: Writers) -> None:
    run_id = start(connection)
    assert kept.of(connection, run_id) is kept.of(connection, run_id)


def test_what_is_logged_to_an_ended_run_is_found_at_once(
    connection: LocalConnection, kept: Writers
) -> None:
    run_id = start(connection)
    connection.runs.end(run_id, EndRun())
    kept.of(connection, run_id).append("late", 5.0, 0, 0)
    found = connection.search.search(SearchRuns("metrics.late = 5")).items
    assert [one.run_id for one in found] == [run_id]


def test_a_purged_run_takes_nothing_from_that_moment_on(
    ws: Workspace, connection: LocalConnection, kept: Writers
) -> None:
    run_id = start(connection)
    kept.of(connection, run_id).append("m", 5.0, 0, 0)
    elsewhere = Workspace.open(ws.location).connection
    elsewhere.runs.delete(run_id)
    elsewhere.trash.purge(Purge(run_ids=[run_id]))
    with pytest.raises(NotFound):
        kept.of(connection, run_id)


def test_only_so_many_are_open_and_none_loses_a_point(
    connection: LocalConnection, kept: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "KEPT", 2)
    runs = [start(connection) for _ in range(5)]
    for step in range(3):
        for run_id in runs:
            try:
                kept.of(connection, run_id).append("m", step, step, step)
            except Unavailable:
                kept.of(connection, run_id).append("m", step, step, step)
    for run_id in runs:
        assert connection.metrics.get(run_id).items[0].values == [0.0, 1.0, 2.0]


def test_threads_that_open_at_once_share_a_journal(
    connection: LocalConnection, kept: Writers
) -> None:
    run_id = start(connection)
    ready = threading.Barrier(8)

    def log(number: int) -> None:
        ready.wait()
        for step in range(50):
            kept.of(connection, run_id).append("m", number, number * 50 + step, 1)

    threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (series,) = connection.metrics.get(run_id).items
    assert sorted(series.steps) == list(range(400))
