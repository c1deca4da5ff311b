"""Inputs and outputs of runs, here and through a server."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client import content_digest as digests
from ml_workspace_lab.client.content_digest import content_digest
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


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
ARRAY = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("thing", "others"),
    [
        (
            FRAME,
            [
                FRAME.iloc[::-1],
                FRAME.rename(columns={"a": "c"}),
                FRAME.astype({"a": "float64"}),
                FRAME.set_index(pd.Index([1, 2])),
                FRAME.assign(b=["x", "y"]),
                FRAME[["b", "a"]],
                FRAME["a"],
            ],
        ),
        (ARRAY, [ARRAY + 1, ARRAY.reshape(3, 2), ARRAY.astype("float32"), ARRAY.T]),
        (pd.DataFrame({"l": [[1], {2}]}), [pd.DataFrame({"l": [[1], {3}]})]),
        (np.array([{"a": 1}, None], object), [np.array([{"a": 2}, None], object)]),
        (np.array(["2026-01-01"], "M8[D]"), [np.array(["2026-01-02"], "M8[D]")]),
    ],
)
def test_what_is_in_memory_is_told_by_its_content(
    ws: Workspace, thing: Any, others: list[Any]
) -> None:
    with ws.experiment("lineage").start_logging() as run:
        for one in (thing, thing.copy(), *others):
            run.log_input(one, name="one name")
    digests = [entry.digest for entry in run.get_lineage()]
    assert len(set(digests)) == len(digests) == 1 + len(others)
    assert {len(digest) for digest in digests} == {64}


def test_an_array_in_another_order_of_memory_is_the_same() -> None:
    assert content_digest(np.asfortranarray(ARRAY)) == content_digest(ARRAY)


def test_of_what_is_large_a_sample_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "LIMIT", 100)
    array = np.arange(30)  # 240 bytes, so every third
    frame = pd.DataFrame({"a": array})
    for at, is_seen in ((1, False), (3, True), (28, False)):
        changed = array.copy()
        changed[at] = -1
        assert (content_digest(changed) != content_digest(array)) == is_seen
    assert content_digest(array[:-1]) != content_digest(array)
    assert content_digest(frame) != content_digest(frame.iloc[:-1])
    assert content_digest(frame) == content_digest(frame.copy())


def test_what_can_not_be_read_has_no_digest(ws: Workspace) -> None:
    class Strange:
        shape = (1,)

        def __repr__(self) -> str:
            raise RuntimeError("not now")

    with ws.experiment("lineage").start_logging() as run:
        run.log_input(Strange(), name="strange")
        run.log_input(np.array([Strange()], object), name="of such")
        run.log_input(Strange(), name="told", digest="abc")
    assert [entry.digest for entry in run.get_lineage()] == ["", "", "abc"]


def test_the_things_of_an_experiment_are_those_read_or_made(either: Workspace) -> None:
    with either.experiment("directions").start_logging() as run:
        run.log_input("uri:read")
        run.log_output("uri:made")
    of_experiment = either.connection.lineage.of_experiment
    for direction, expected in (
        (None, ["uri:made", "uri:read"]),
        ("input", ["uri:read"]),
        ("output", ["uri:made"]),
    ):
        found = of_experiment("directions", "dataset", direction).items
        assert [one.name for one in found] == expected
