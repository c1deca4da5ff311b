"""Experiments from workspace to workspace: whole, once, and nothing from a folder that lies."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.lineage import AddLineage, LineageItem
from ml_workspace_lab.experiments.model import Progress
from ml_workspace_lab.models.logged_model import AddModelMetrics, LogModel, ModelMetric
from ml_workspace_lab.transfer.folder import COMPARED
from tests.transfer.conftest import storage

VALUES = np.random.default_rng(3).normal(size=70_000)


def rich_run(ws: Workspace, folder: Path) -> Run:
    """A run with everything that a run can have."""
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "train.py").write_text("train()")
    experiment, connection = ws.experiment("e"), ws.connection
    with experiment.start_logging("rich", snapshot_directory=folder / "code") as run:
        run.log_params({"i": 1, "f": 0.5, "b": True, "none": None, "long": "x" * 20_000})
        run.set_tags({"k": "v"})
        run.add_properties({"p": "q"})
        run.description = "what it *is*"
        run.log("m", float("nan"), -5)
        run.log_series("long", VALUES)
        connection.artifacts.put(run.id, "deep/x.bin", BytesIO(b"x" * 5000))
        connection.artifacts.put(run.id, "same.bin", BytesIO(b"x" * 5000))
        item = LineageItem("input", "dataset", "data", "d1", "train", {"n": 1})
        connection.lineage.add(run.id, AddLineage([item]))
        storage(ws).run(run.id).log.write_text("a line\n")
        storage(ws).run(run.id).notebook.write_text('{"cells": []}')
        model = connection.logged_models.create(LogModel("e", "net", run_id=run.id))
        connection.logged_models.put_file(model.model_id, "w.bin", BytesIO(b"weights"))
        metric = ModelMetric("acc", 0.5, 0, 1, run.id)
        connection.logged_models.add_metrics(model.model_id, AddModelMetrics([metric]))
        with run.child_run("child") as child:
            child.log("c", 1)
    return run


def test_a_run_is_the_same_in_the_other_workspace(
    ws: Workspace, other: Workspace, tmp_path: Path
) -> None:
    run = rich_run(ws, tmp_path)
    exported = ws.export_experiments("e", tmp_path / "out")
    assert (exported.experiments, exported.runs, exported.left_out) == (1, 2, [])
    report = other.import_experiments(tmp_path / "out")
    assert (report.runs, report.experiments, report.not_mapped) == (2, 1, [])
    there = other.run(run.id)
    assert there.info() == run.info()
    assert there.status_history == run.status_history
    assert (there.get_metric_history("long").values == VALUES).all()
    assert np.isnan(there.get_metric_history("m").values).tolist() == [True]
    a, b = ws.connection, other.connection
    assert b.artifacts.list(run.id) == a.artifacts.list(run.id)
    assert b.artifacts.get(run.id, "deep/x.bin").read() == b"x" * 5000
    assert b.lineage.of_run(run.id) == a.lineage.of_run(run.id)
    assert b.artifacts.log(run.id).text == "a line\n"
    assert b.artifacts.notebook(run.id) == {"cells": []}
    snapshot = run.info().snapshot_id
    assert b.snapshots.get(snapshot) == a.snapshots.get(snapshot)
    assert b.snapshots.file(snapshot, "train.py").read() == b"train()"
    assert [child.display_name for child in there.get_children()] == ["child"]
    (model,) = (row["uid"] for row in storage(ws).database.all("SELECT uid FROM logged_model"))
    assert b.logged_models.get(model).metrics == a.logged_models.get(model).metrics
    assert b.logged_models.file(model, "w.bin").read() == b"weights"


def test_equal_contents_are_in_the_folder_once(ws: Workspace, tmp_path: Path) -> None:
    rich_run(ws, tmp_path)
    ws.export_experiments("e", tmp_path / "out")
    files = [path for path in (tmp_path / "out" / "blobs").rglob("*") if path.is_file()]
    assert sum(path.read_bytes() == b"x" * 5000 for path in files) == 1


def test_a_second_export_and_import_change_nothing(
    ws: Workspace, other: Workspace, tmp_path: Path
) -> None:
    rich_run(ws, tmp_path)
    ws.export_experiments("e", tmp_path / "out")
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    ws.export_experiments("e", tmp_path / "out")
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before
    other.import_experiments(tmp_path / "out")
    for workspace in (other, ws):
        report = workspace.import_experiments(tmp_path / "out")
        assert (report.runs, report.skipped, report.not_mapped) == (0, 2, [])
    other.export_experiments("e", tmp_path / "back")
    names = {p.name for p in (tmp_path / "out" / "blobs").rglob("*") if p.is_file()}
    assert names == {p.name for p in (tmp_path / "back" / "blobs").rglob("*") if p.is_file()}


def test_a_second_export_puts_right_what_is_damaged(
    ws: Workspace, other: Workspace, tmp_path: Path
) -> None:
    large = np.random.default_rng(4).bytes(COMPARED + 1)
    rich_run(ws, tmp_path)
    with ws.experiment("e").start_logging() as run:
        ws.connection.artifacts.put(run.id, "large", BytesIO(large))
    ws.export_experiments("e", tmp_path / "out")
    before = {p: p.read_bytes() for p in (tmp_path / "out" / "blobs").rglob("*") if p.is_file()}
    assert large in before.values()
    for number, path in enumerate(before):
        path.chmod(0o600)
        with path.open("r+b") as file:
            if number % 2 or path.stat().st_size > COMPARED:
                file.truncate(path.stat().st_size - 1)
            else:
                file.write(b"~")
    assert ws.export_experiments("e", tmp_path / "out").repaired == len(before)
    assert {p: p.read_bytes() for p in before} == before
    assert ws.export_experiments("e", tmp_path / "out").repaired == 0
    next(iter(before)).unlink()
    assert ws.export_experiments("e", tmp_path / "out").repaired == 0
    assert other.import_experiments(tmp_path / "out").not_mapped == []


def test_runs_that_were_added_since_are_taken_and_others_stay(
    ws: Workspace, other: Workspace, tmp_path: Path
) -> None:
    run = rich_run(ws, tmp_path)
    ws.export_experiments("e", tmp_path / "out")
    other.import_experiments(tmp_path / "out")
    run.tag("k", "changed")
    with ws.experiment("e").start_logging("new") as new:
        new.log("m", 1)
    ws.export_experiments("e", tmp_path / "out")
    report = other.import_experiments(tmp_path / "out")
    assert (report.runs, report.skipped) == (1, 1)
    (told,) = report.not_mapped
    assert told.id == run.id
    assert "tags" in told.reason
    assert other.run(run.id).tags["k"] == "v"


def test_a_run_that_goes_on_is_left_out(ws: Workspace, tmp_path: Path) -> None:
    with ws.experiment("e").start_logging() as run:
        report = ws.export_experiments("e", tmp_path / "out")
        ws.connection.runs.get(run.id)
    assert [left.id for left in report.left_out] == [run.id]
    assert ws.export_experiments("e", tmp_path / "out").left_out == []


def test_an_import_that_was_cut_short_goes_on(
    ws: Workspace, other: Workspace, tmp_path: Path
) -> None:
    for _ in range(3):
        with ws.experiment("e").start_logging() as run:
            run.log("m", 1)
    ws.export_experiments("e", tmp_path / "out")

    def stop(done: int, total: int) -> None:
        assert total == 3
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        other.import_experiments(tmp_path / "out", stop)
    report = other.import_experiments(tmp_path / "out")
    assert (report.runs, report.skipped) == (1, 2)


def test_what_is_no_export_is_refused_and_left_alone(ws: Workspace, tmp_path: Path) -> None:
    ws.experiment("e").info()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    for folder in (tmp_path / "mine", tmp_path / "mine" / "file", storage(ws).root / "x"):
        with pytest.raises(InvalidInput):
            ws.export_experiments("e", folder)
    with pytest.raises(NotFound):
        ws.export_experiments("none", tmp_path / "out")
    with pytest.raises(InvalidInput):
        ws.import_experiments(tmp_path / "mine")
    with pytest.raises(NotFound):
        ws.import_experiments(tmp_path / "none")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


def test_progress_of_a_job_comes_along(ws: Workspace, other: Workspace, tmp_path: Path) -> None:
    with ws.experiment("e").start_logging() as run:
        from ml_workspace_lab.services import Services

        Services(storage(ws)).runs.report_progress(run.id, Progress(1, 2, "cells"))
    ws.export_experiments("e", tmp_path / "out")
    other.import_experiments(tmp_path / "out")
    assert other.run(run.id).info().progress == Progress(1, 2, "cells")


def test_an_export_that_was_killed_as_it_began_is_begun_anew(ws: Workspace, tmp_path: Path) -> None:
    with ws.experiment("e").start_logging() as run:
        run.log("m", 1)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".export.json.0123abcd").write_text("{")
    assert ws.export_experiments("e", folder).runs == 1
    marker = (folder / "export.json").stat()
    assert ws.export_experiments("e", folder).runs == 1
    assert (folder / "export.json").stat().st_mtime_ns == marker.st_mtime_ns


def test_what_a_killed_export_was_writing_goes_an_hour_later(ws: Workspace, tmp_path: Path) -> None:
    with ws.experiment("e").start_logging() as run:
        run.log("m", 1)
    folder = tmp_path / "out"
    ws.export_experiments("e", folder)
    young, old, anothers = (
        folder / "blobs" / name for name in (f".{'a' * 16}", f".{'b' * 16}", ".nfs0001")
    )
    for path in (young, old, anothers):
        path.write_bytes(b"a part")
    for path in (old, anothers):
        os.utime(path, (0, 0))
    ws.export_experiments("e", folder)
    assert [path.exists() for path in (young, old, anothers)] == [True, False, True]


def test_an_export_that_lists_nothing_is_told(
    ws: Workspace, other: Workspace, tmp_path: Path
) -> None:
    ws.experiment("e").start_logging().complete()
    ws.export_experiments("e", tmp_path / "out")
    for path in (tmp_path / "out" / "experiments").iterdir():
        path.unlink()
    (told,) = other.import_experiments(tmp_path / "out").not_mapped
    assert "cut short" in told.reason
