"""Inputs and outputs of runs, here and through a server."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput


def test_inputs_and_outputs_come_back_in_order(either: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("a,b\n1,2\n")
    with either.experiment("lineage").start_logging() as run:
        run.log_input(file, rows=1)
        run.log_input("s3://bucket/key.parquet", name="far", digest="abc", context="validation")
        run.log_input(np.zeros((3, 2)), name="array")
        run.log_output("models/best", kind="model")
    found = run.get_lineage()
    assert [(one.direction, one.kind, one.name, one.context) for one in found] == [
        ("input", "dataset", "train.csv", "training"),
        ("input", "dataset", "far", "validation"),
        ("input", "dataset", "array", "training"),
        ("output", "model", "models/best", ""),
    ]
    assert found[0].digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (found[0].data["size"], found[0].data["rows"]) == (8, 1)
    assert found[2].data["shape"] == [3, 2]


def test_the_runs_that_read_a_dataset_are_found(either: Workspace) -> None:
    runs = []
    for digest in ("one", "two"):
        with either.experiment("lineage").start_logging() as run:
            run.log_input("uri:x", name="shared", digest=digest)
        runs.append(run.id)
    find = either.connection.lineage.find
    newest = [entry.run_id for entry in find("dataset", "shared").items]
    assert newest[:2] == runs[::-1]
    assert find("dataset", "shared", digest="one").items[0].run_id == runs[0]
    assert find("dataset", "nobody's").items == []


def test_an_input_that_is_logged_again_stays_one(ws: Workspace) -> None:
    with ws.experiment("lineage").start_logging() as run:
        run.log_input("uri:x", rows=1)
        run.log_input("uri:x", rows=2)
    (entry,) = run.get_lineage()
    assert entry.data["rows"] == 2


@pytest.mark.parametrize("thing", [object(), 5, None, Path("missing.csv"), np.zeros(3)])
def test_what_has_no_name_or_can_not_be_told_is_refused(ws: Workspace, thing: object) -> None:
    with ws.experiment("lineage").start_logging() as run:
        with pytest.raises(InvalidInput):
            run.log_input(thing)
        with pytest.raises(InvalidInput):
            run.log_input("uri:x", kind="no word")
        assert run.get_lineage() == []


@pytest.mark.parametrize(("thing", "why"), [("no.csv", "no file"), (".", "folder"), ("", "folder")])
def test_a_dataset_that_is_no_file_and_no_address_is_refused(
    ws: Workspace, thing: str, why: str
) -> None:
    with ws.experiment("lineage").start_logging() as run:
        for told, field in ((run.log_input, "input"), (run.log_output, "output")):
            for given in (thing, Path(thing)):
                with pytest.raises(InvalidInput, match=f"{field}: .*{why}.* s3://") as refusal:
                    told(given)
                assert refusal.value.field == field
        assert run.get_lineage() == []


def test_a_file_is_meant_by_its_name_too(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a:b.csv").write_text("a\n")
    with ws.experiment("lineage").start_logging() as run:
        run.log_input("a:b.csv")
    (entry,) = run.get_lineage()
    assert (entry.name, entry.digest) == ("a:b.csv", hashlib.sha256(b"a\n").hexdigest())
