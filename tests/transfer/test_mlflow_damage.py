"""A folder of MLflow's with damaged files: each is told, and the rest comes as it is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.transfer.mlflow_folder import FolderSource

RUNS = [f"{number}" * 32 for number in range(1, 4)]
TIMES = "creation_timestamp: 1\nlast_updated_timestamp: 2\n"


def put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())


@pytest.fixture
def mlruns(tmp_path: Path) -> Path:
    """Two experiments, three runs, two registered models of two versions each."""
    root = tmp_path / "mlruns"
    for experiment, runs in (("11", RUNS[:2]), ("12", RUNS[2:])):
        put(root / experiment / "meta.yaml", f"name: e{experiment}\ncreation_time: 5\n")
        for run in runs:
            put(root / experiment / run / "meta.yaml", "status: 3\nstart_time: 7\nend_time: 9\n")
            put(root / experiment / run / "tags" / "t", "v")
            put(root / experiment / run / "params" / "deep" / "p", "1")
            put(root / experiment / run / "metrics" / "m", "1 0.5 0\n2 0.25 1\n")
    for name in ("a", "b"):
        model = root / "models" / name
        put(model / "meta.yaml", f"name: {name}\n{TIMES}")
        for number in (1, 2):
            put(model / f"version-{number}" / "meta.yaml", f"version: {number}\n{TIMES}")
        put(model / "aliases" / "best", "2")
    return root


DAMAGED = {
    "experiment": "11/meta.yaml",
    "run": f"12/{RUNS[2]}/meta.yaml",
    "registered model": "models/a/meta.yaml",
    "model version": "models/b/version-1/meta.yaml",
}


@pytest.mark.parametrize("there", [True, False])
def test_a_damaged_file_is_named_and_the_rest_comes(
    ws: Workspace, mlruns: Path, there: bool
) -> None:
    for path in DAMAGED.values():
        put(mlruns / path, "")
        if not there:
            (mlruns / path).unlink()
    put(mlruns / "12" / ("4" * 32) / "meta.yaml", "status: 3\nstart_time: 7\n")
    report = ws.import_mlflow(str(mlruns))
    assert (report.experiments, report.runs, report.model_versions) == (1, 1, 1)
    told = {one.what: one.id for one in report.not_mapped if one.id != "b/2"}
    assert told == {what: str(mlruns / path) for what, path in DAMAGED.items()}
    assert ws.connection.models.get("b").aliases == {"best": 2}


@pytest.mark.parametrize("content", ["name: [", "x: 1\n", "\x00", "- a", "creation_time: never\n"])
def test_whatever_a_file_holds_the_others_are_read(mlruns: Path, content: str) -> None:
    for path in DAMAGED.values():
        put(mlruns / path, content)
    source = FolderSource(mlruns)
    assert [one.id for one in source.experiments()] == ["12"]
    source.run_ids("12")
    assert [len(one.versions) for one in source.registered_models()] == [1]
    wanted = {str(mlruns / path) for what, path in DAMAGED.items() if what != "run"}
    assert {one.id for one in source.unread()} >= wanted


def test_what_was_damaged_comes_once_it_is_repaired(ws: Workspace, mlruns: Path) -> None:
    meta = mlruns / "11" / "meta.yaml"
    whole = meta.read_text()
    meta.write_text("")
    ws.import_mlflow(str(mlruns))
    meta.write_text(whole)
    report = ws.import_mlflow(str(mlruns))
    assert (report.runs, report.skipped, report.experiments) == (2, 1, 1)


def test_values_are_kept_to_the_last_byte(ws: Workspace, mlruns: Path) -> None:
    value = "a\r\nb\rc\n\x85d\u2028 \ufeffé\x0b"
    put(mlruns / "11" / RUNS[0] / "tags" / "t", value)
    put(mlruns / "11" / RUNS[0] / "params" / "deep" / "p", value)
    ws.import_mlflow(str(mlruns))
    run = ws.run(RUNS[0])
    assert (run.tags["t"], run.params["deep/p"]) == (value, value)


def test_what_is_not_utf_8_is_told_and_left_out(ws: Workspace, mlruns: Path) -> None:
    folder = mlruns / "11" / RUNS[0]
    for name in ("tags/t", "params/deep/p", "metrics/m"):
        (folder / name).write_bytes(b"caf\xe9")
    (folder / "tags" / "x\udce9").write_bytes(b"v")
    (mlruns / "12" / RUNS[2] / "meta.yaml").write_bytes(b"")  # the others are read once more then
    report = ws.import_mlflow(str(mlruns))
    told = [one for one in report.not_mapped if "UTF-8" in one.reason]
    assert sorted(one.what for one in told) == ["metric", "parameter", "tag", "tag"]
    assert str(folder / "metrics" / "m") in {one.id for one in told}
    info = ws.run(RUNS[0]).info()
    assert (info.tags, info.params, info.metrics) == ({}, {}, {})
    assert ws.run(RUNS[1]).tags == {"t": "v"}


SCHEMA = """
CREATE TABLE experiments (experiment_id INTEGER, name TEXT, lifecycle_stage TEXT);
CREATE TABLE runs (run_uuid TEXT, experiment_id INTEGER, status TEXT, start_time INTEGER,
    end_time INTEGER, lifecycle_stage TEXT, artifact_uri TEXT, user_id TEXT);
CREATE TABLE metrics (run_uuid TEXT, key TEXT, step INTEGER, timestamp INTEGER, value REAL,
    is_nan INTEGER);
CREATE TABLE params (run_uuid TEXT, key TEXT, value TEXT);
CREATE TABLE tags (run_uuid TEXT, key TEXT, value TEXT);
CREATE TABLE registered_models (name TEXT, creation_time INTEGER, last_updated_time INTEGER,
    description TEXT);
CREATE TABLE registered_model_aliases (name TEXT, alias TEXT, version INTEGER);
INSERT INTO experiments VALUES (11, 'e11', 'active');
INSERT INTO registered_models VALUES ('a', 1, 1, '');
INSERT INTO registered_model_aliases VALUES ('gone', 'best', 1);
"""


def test_damaged_rows_of_a_database_are_named_and_the_rest_comes(
    ws: Workspace, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.executescript(SCHEMA)
        row = "INSERT INTO runs VALUES (?, 11, 'FINISHED', 7, 9, 'active', '', CAST(? AS TEXT))"
        database.executemany(row, [(RUNS[0], b"ann"), (RUNS[1], b"\xff")])
        tag = "INSERT INTO tags VALUES (?, ?, CAST(? AS TEXT))"
        database.executemany(tag, [(RUNS[0], "t", b"v"), (RUNS[0], "odd", b"\xff")])
        database.commit()
    report = ws.import_mlflow(f"sqlite:///{tmp_path}/mlflow.db")
    assert report.runs == 1
    assert ws.run(RUNS[0]).tags["t"] == "v"
    told = {(one.what, one.id) for one in report.not_mapped}
    assert told == {("tag", f"{RUNS[0]}/odd"), ("run", RUNS[1]), ("alias", "gone/best")}
