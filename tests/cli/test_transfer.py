"""The commands of the trash, of exports and of imports."""

import json
import sqlite3
import subprocess
import sys
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from tests.cli.test_commands import Cli, cli, here

__all__ = ["cli", "here"]


@pytest.fixture
def run_id(ws: Workspace) -> str:
    with ws.experiment("e").start_logging("one") as run:
        run.log("m", 1)
        ws.connection.artifacts.put(run.id, "x", BytesIO(b"x" * 9000))
    return run.id


def test_a_run_is_deleted_restored_and_purged(here: Cli, run_id: str) -> None:
    assert here("runs", "delete", run_id).code == 0
    trash = here("trash")
    assert run_id in trash.out
    [item] = here("trash", "-o", "json").json["items"]
    when = datetime.fromtimestamp(item["deleted"] / 1000)
    assert f"{when:%Y-%m-%d %H:%M:%S}" in trash.out
    assert here("runs", "restore", run_id).code == 0
    assert here("trash").out == "None yet.\n"
    here("runs", "delete", run_id)
    kept = here("trash", "purge", "-o", "json").json
    assert (kept["runs"], kept["files"]) == (0, 0)
    purged = here("trash", "purge", "--run-ids", run_id, "-o", "json").json
    assert purged["runs"] == 1
    assert purged["bytes"] >= 9000
    assert here("runs", "show", run_id).code == 3


def test_an_experiment_is_archived_deleted_and_restored(here: Cli, run_id: str) -> None:
    for verb in ("archive", "reactivate", "delete", "restore"):
        assert here("experiment", verb, "e").code == 0
    assert run_id in here("runs", "-o", "json").out


def test_gc_says_what_it_removed(here: Cli) -> None:
    assert here("gc", "-o", "json").json == {"files": 0, "bytes": 0}


def test_experiments_go_to_another_workspace(here: Cli, run_id: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    Workspace.create("other", other)
    assert here("export", "e", str(tmp_path / "out"), "-o", "json").json["runs"] == 1
    report = tmp_path / "report.json"
    words = ("-w", other, "import", str(tmp_path / "out"), "--report", str(report))
    assert "runs" in here(*words).out
    assert json.loads(report.read_text())["runs"] == 1
    assert here("-w", other, "runs", "show", run_id).code == 0
    assert here(*words, "-o", "json").json["skipped"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ("import", "mlflow"),
        ("import", "folder", "more"),
        ("import", "folder", "--experiment", "e"),
        ("import", "tensorboard", "logs", "--artifacts", "x"),
    ],
)
def test_options_that_mean_nothing_are_refused(here: Cli, words: tuple[str, ...]) -> None:
    assert here(*words).code == 2


def test_what_is_not_there_is_told_without_a_trace(here: Cli, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.db").close()
    for words in (
        ("import", "none"),
        ("import", "mlflow", "sqlite:///none.db"),
        ("import", "mlflow", f"sqlite:///{tmp_path}/empty.db"),
        ("import", "tensorboard", "none"),
        ("export", "none", "out"),
    ):
        result = here(*words)
        assert result.code in (2, 3), words
        assert result.err.startswith("Error: ")
        assert "Traceback" not in result.err


def test_a_bar_shows_where_somebody_looks(ws: Workspace, run_id: str, tmp_path: Path) -> None:
    command = (
        f"{sys.executable} -m ml_workspace_lab.cli.main -w {ws.location} export e {tmp_path}/out"
    )
    words = ["script", "-qec", command, "/dev/null"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "1 of 1 runs" in shown
