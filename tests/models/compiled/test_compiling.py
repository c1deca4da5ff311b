"""A graph stands for its model where it was seen to answer as that does, and faster."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_workspace_lab.models.compiled import compiling, process, tables
from ml_workspace_lab.models.compiled.compiling import compile_folder
from ml_workspace_lab.models.compiled.conversion import FLOAT32, FLOAT64, converted
from ml_workspace_lab.models.compiled.graph import Graph
from ml_workspace_lab.models.compiled.model import GRAPH, TOLERANCE
from ml_workspace_lab.models.compiled.verification import Differs, compared, repeated, verify
from ml_workspace_lab.models.flavors import folder as folders
from ml_workspace_lab.models.flavors import loading
from tests.models.compiled import made

KEPT = ("logistic", "words", "forest", "pipeline", "boosting", "xgboost", "lightgbm")


def kept_folder(place: Path, model: Any, example: Any = None) -> Path:
    place.mkdir()
    folders.write(model, place, input_example=example)
    return place


def example_of(model: Any) -> Any:
    return made.NAMED if hasattr(model, "feature_names_in_") else made.ROWS


@pytest.mark.parametrize("name", KEPT)
def test_a_graph_that_is_right_and_faster_is_kept(name: str, tmp_path: Path) -> None:
    model = getattr(made, name)()
    rows = example_of(model)
    where = kept_folder(tmp_path / "model", model, rows)
    tables.write(rows, tmp_path / "rows.json")
    verdict = compile_folder(where, tmp_path, tmp_path / "rows.json")
    assert verdict.kept, verdict
    assert verdict.rows > len(rows)
    assert verdict.one_row is not None
    assert verdict.batch is not None
    assert verdict.one_row.onnx < verdict.one_row.native
    assert verdict.batch.onnx < verdict.batch.native
    assert verdict.max_difference is None or verdict.max_difference <= TOLERANCE
    graph = Graph.open(tmp_path / GRAPH)
    native = model.predict(rows)
    answer = graph.predict(rows)
    assert (answer.dtype, answer.shape) == (native.dtype, native.shape)
    compared(native, answer, "real")
    assert graph.notes is not None
    repeated(graph, graph.notes)


@pytest.mark.parametrize("name", ["pipeline", "xgboost", "lightgbm"])
def test_the_same_model_is_the_same_graph(name: str) -> None:
    model = getattr(made, name)()
    one, other = (converted(model, 4, FLOAT32).SerializeToString() for _ in range(2))
    assert one == other


def test_a_slower_graph_is_not_kept(tmp_path: Path) -> None:
    where = kept_folder(tmp_path / "model", made.neighbors(), made.ROWS)
    verdict = compile_folder(where, tmp_path)
    assert not verdict.kept
    assert "it is not faster" in verdict.reason
    assert not (tmp_path / GRAPH).exists()


def test_ten_digits_are_not_told_apart_in_32_bits(tmp_path: Path) -> None:
    model = made.of_identifiers()
    where = kept_folder(tmp_path / "model", model, made.IDENTIFIERS)
    (tmp_path / GRAPH).write_bytes(converted(model, 2, FLOAT32).SerializeToString())
    with pytest.raises(Differs, match="numbers differ by up to"):
        verify(loading.load(where), Graph.open(tmp_path / GRAPH), made.IDENTIFIERS)
    verdict = compile_folder(where, tmp_path)
    if verdict.kept:
        assert verdict.precision == FLOAT64
        answer = Graph.open(tmp_path / GRAPH).predict(made.IDENTIFIERS)
        assert answer == pytest.approx(model.predict(made.IDENTIFIERS), rel=TOLERANCE)
    else:
        assert "float32" in verdict.reason


def test_what_the_model_refuses_its_graph_refuses(tmp_path: Path) -> None:
    compile_folder(kept_folder(tmp_path / "model", made.logistic(), made.ROWS), tmp_path)
    graph = Graph.open(tmp_path / GRAPH)
    for value, said in ((np.nan, "NaN"), (np.inf, "infinity"), (1e39, "too large")):
        rows = made.ROWS[:2].copy()
        rows[1, 1] = value
        with pytest.raises(ValueError, match=said):
            graph.predict(rows)
    with pytest.raises(ValueError, match="texts are given"):
        graph.predict(np.array([["1", "2", "3", "4"]]))


def test_a_missing_value_means_to_a_graph_what_it_does_to_its_model(tmp_path: Path) -> None:
    model = made.xgboost()
    compile_folder(kept_folder(tmp_path / "model", model, made.NAMED), tmp_path)
    rows = made.NAMED.copy()
    rows.iloc[::3, 0] = np.nan
    rows.iloc[::5, 2] = np.nan
    assert (Graph.open(tmp_path / GRAPH).predict(rows) == model.predict(rows)).all()


def test_without_real_rows_nothing_is_verified(tmp_path: Path) -> None:
    verdict = compile_folder(kept_folder(tmp_path / "model", made.logistic()), tmp_path)
    assert not verdict.kept
    assert "register the model with an input_example" in verdict.reason


def test_the_users_rows_count_beside_the_example(tmp_path: Path) -> None:
    where = kept_folder(tmp_path / "model", made.words(), made.NAMED)
    few = tables.real(where, None, ["a", "b", "c", "d"], 4)
    tables.write(made.NAMED[["d", "c", "b", "a"]], tmp_path / "rows.json")
    both = tables.real(where, tmp_path / "rows.json", ["a", "b", "c", "d"], 4)
    assert (len(few), len(both)) == (5, 125)
    assert both[5:] == pytest.approx(made.ROWS)


def test_rows_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    tables.write(made.NAMED.assign(a="x"), tmp_path / "rows.json")
    where = kept_folder(tmp_path / "model", made.words())
    verdict = compile_folder(where, tmp_path, tmp_path / "rows.json")
    assert "hold others than numbers" in verdict.reason


def test_a_model_without_a_converter_is_told(tmp_path: Path) -> None:
    where = kept_folder(tmp_path / "model", lambda rows: np.asarray(rows).sum(axis=1), made.ROWS)
    verdict = compile_folder(where, tmp_path)
    assert "there is no converter" in verdict.reason


@pytest.mark.parametrize(
    ("native", "other", "said"),
    [
        ([1, 2], [1, 3], "labels differ on 1 of 2"),
        (["a"], ["b"], "labels differ"),
        ([1.0, 2.0], [1.0, 2.1], "numbers differ by up to 0.05"),
        ([1.0], [np.nan], "finite on one side"),
        ([1.0], [[1.0]], "shape"),
    ],
)
def test_what_differs_is_said(native: list[Any], other: list[Any], said: str) -> None:
    with pytest.raises(Differs, match=said):
        compared(np.array(native), np.array(other), "real")


def test_compiling_takes_a_process_of_its_own_and_a_verdict_stays(tmp_path: Path) -> None:
    where = kept_folder(tmp_path / "model", made.logistic(), made.ROWS)
    target = tmp_path / "compiled"
    verdict = process.compile_apart(where, target, os.environ)
    assert verdict.kept, verdict
    assert process.read(target) == verdict


def test_what_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = kept_folder(tmp_path / "model", made.logistic(), made.ROWS)
    monkeypatch.setattr(process, "LIMIT_SECONDS", 0.05)
    verdict = process.compile_apart(where, tmp_path / "compiled", os.environ)
    assert not verdict.kept
    assert "took more than" in verdict.reason
    assert process.read(tmp_path / "compiled") is None, "it is tried again"


def test_a_refusal_holds_for_the_libraries_that_it_was_found_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verdict = compile_folder(kept_folder(tmp_path / "model", made.logistic()), tmp_path)
    import msgspec

    (tmp_path / process.VERDICT).write_bytes(msgspec.json.encode(verdict))
    assert process.read(tmp_path) == verdict
    monkeypatch.setattr(process, "packages", lambda: {"skl2onnx": "99"})
    assert process.read(tmp_path) is None
    assert compiling.packages() == verdict.packages
