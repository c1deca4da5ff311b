"""Tables of runs: what is in them, and the snapshot that makes many of them quick."""

import math
from pathlib import Path

import pandas as pd
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.documents import LARGE
from ml_workspace_lab.experiments.model import EndRun, StartRun, UpdateRun
from ml_workspace_lab.experiments.search import snapshot
from tests.experiments.search.population import Population

RUNS = 12


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a dozen runs are many."""
    monkeypatch.setattr(snapshot, "FEW", 4)


def fill(workspace: Workspace, count: int = RUNS) -> list[str]:
    runs = []
    for number in range(count):
        body = StartRun(
            kind="external",
            created=number,
            params={"n": number, "even": True} if number % 2 == 0 else {"n": number},
            tags={"t": "x" * (LARGE + 1)} if number == 3 else {},
        )
        runs.append(workspace.connection.runs.start("e", body).run_id)
    return runs


def file(workspace: Workspace) -> Path:
    return Path(workspace.location) / "cache" / snapshot.FILE


def fresh(workspace: Workspace) -> Workspace:
    """The workspace as another process sees it."""
    return Workspace.open(workspace.location)


def test_a_table_says_what_the_runs_say(full: Workspace, runs: Population) -> None:
    frame = full.search_runs().set_index("run_id")
    assert set(frame.index) == set(runs)
    assert isinstance(frame["created"].dtype, pd.DatetimeTZDtype)
    for uid, run in runs.items():
        row = frame.loc[uid]
        assert row["experiment"] == run.info.experiment
        assert row["state"] == run.info.state
        assert row["created"].value == run.info.created * 1_000_000
        assert (
            pd.isna(row["ended"]) if run.info.ended is None else row["ended"].value // 10**6
        ) in (True, run.info.ended)
        for name, (_, last, _, _) in run.metrics.items():
            assert row[f"metrics.{name}"] == last or math.isnan(last)
        for kind in ("param", "tag"):
            for name, value in run.texts[kind].items():
                assert row[f"{kind}s.{name}"] == value
        has = {f"metrics.{name}" for name in run.metrics}
        assert all(
            pd.isna(row[c]) for c in frame.columns if c.startswith("metrics.") and c not in has
        )


def test_columns_are_those_of_the_runs_in_the_table(ws: Workspace) -> None:
    fill(ws)
    frame = ws.search_runs("params.n IN (1, 3)")
    assert "params.even" not in frame.columns
    assert frame["params.n"].tolist() == ["3", "1"]
    assert frame["tags.t"].tolist()[0] == "x" * (LARGE + 1)


def test_a_snapshot_says_what_the_documents_say(ws: Workspace) -> None:
    fill(ws)
    slow = ws.search_runs(max_results=4)
    assert not file(ws).exists()
    quick = ws.search_runs()
    assert file(ws).exists()
    pd.testing.assert_frame_equal(
        quick.head(4).dropna(axis=1, how="all"), slow.dropna(axis=1, how="all")
    )
    pd.testing.assert_frame_equal(fresh(ws).search_runs(), quick)


def test_a_snapshot_is_followed_by_what_changes(ws: Workspace) -> None:
    runs = fill(ws)
    ws.search_runs()
    written = file(ws).stat().st_mtime_ns
    connection = ws.connection
    connection.runs.update(runs[0], UpdateRun(tags={"new": "1"}, params={"n": "other"}))
    connection.runs.end(runs[1], EndRun())
    connection.runs.delete(runs[1])
    connection.experiments.update("e", _renamed("renamed"))
    for workspace in (ws, fresh(ws)):
        frame = workspace.search_runs().set_index("run_id")
        assert frame.loc[runs[0], "tags.new"] == "1"
        assert frame.loc[runs[0], "params.n"] == "other"
        assert set(frame["experiment"]) == {"renamed"}
        assert runs[1] not in frame.index
    assert file(ws).stat().st_mtime_ns == written
    fill(ws, 6)
    assert len(ws.search_runs()) == RUNS + 5
    assert file(ws).stat().st_mtime_ns > written
    assert fresh(ws).search_runs().set_index("run_id").loc[runs[0], "params.n"] == "other"


def test_a_snapshot_is_followed_by_what_runs_log(ws: Workspace) -> None:
    with ws.experiment("live").start_logging() as run:
        fill(ws)  # events that come after the run's own
        for value in (1.0, 0.5, 0.1):
            run.log("loss", value)
            for workspace in (ws, fresh(ws)):
                frame = workspace.search_runs().set_index("run_id")
                assert frame.loc[run.id, "metrics.loss"] == value


def test_a_purged_run_leaves_the_snapshot(ws: Workspace) -> None:
    runs = fill(ws)
    ws.search_runs()
    with ws.connection.storage.database.write() as transaction:  # type: ignore[attr-defined]
        transaction.execute("DELETE FROM run WHERE uid = :uid", uid=runs[5])
    assert runs[5] not in set(ws.search_runs()["run_id"])
    fill(ws, 6)
    ws.search_runs()
    assert runs[5] not in snapshot.read(file(ws)).columns["run", "uid"].values.to_pylist()


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "holes", "folder"])
def test_a_damaged_snapshot_is_made_anew(ws: Workspace, damage: str) -> None:
    fill(ws)
    expected = ws.search_runs()
    whole = file(ws).read_bytes()
    file(ws).unlink()
    if damage == "folder":
        file(ws).mkdir()
    else:
        file(ws).write_bytes(
            {
                "empty": b"",
                "cut": whole[: len(whole) // 2],
                "noise": bytes(range(256)) * 40,
                "holes": whole[:200] + bytes(400) + whole[600:],
            }[damage]
        )
    pd.testing.assert_frame_equal(fresh(ws).search_runs(), expected)
    if damage != "folder":
        assert snapshot.read(file(ws)).size == RUNS


def test_a_snapshot_of_another_history_is_not_used(ws: Workspace, tmp_path: Path) -> None:
    fill(ws)
    other = Workspace.create("other", tmp_path / "other")
    fill(other)
    expected = other.search_runs()
    ws.search_runs()
    file(other).write_bytes(file(ws).read_bytes())
    pd.testing.assert_frame_equal(fresh(other).search_runs(), expected)
    with other.connection.storage.database.write() as transaction:  # type: ignore[attr-defined]
        transaction.execute("UPDATE event SET time = time + 1")  # as after another past
        transaction.execute("UPDATE run SET display_name = 'restored'")
    assert set(fresh(other).search_runs()["display_name"]) == {"restored"}


def test_a_table_comes_over_the_network_as_it_is_here(either: Workspace) -> None:
    with either.experiment("framed").start_logging() as run:
        run.log("loss", math.nan)
        run.log_params({"ü": "ß"})
    frame = either.search_runs(experiments="framed", max_results=1)
    assert frame["params.ü"].tolist() == ["ß"]
    assert math.isnan(frame["metrics.loss"][0])
    assert str(frame["created"].dt.tz) == "UTC"


def _renamed(name: str) -> object:
    from ml_workspace_lab.experiments.model import UpdateExperiment

    return UpdateExperiment(name=name)
