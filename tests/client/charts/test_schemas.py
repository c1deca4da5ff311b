"""Azure's charts are taken as Azure documents them; what contradicts itself is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab.client.charts.schemas import (
    AccuracyTable,
    ConfusionMatrix,
    Predictions,
    Residuals,
    checked,
)
from ml_workspace_lab.client.charts.source import read
from ml_workspace_lab.errors import InvalidInput

GOOD: dict[Any, dict[str, Any]] = {
    ConfusionMatrix: {"class_labels": ["0", "1"], "matrix": [[3, 0], [1, 2.5]]},
    AccuracyTable: {
        "class_labels": ["a", "b"],
        "probability_tables": [[[82, 118, 0, 0], [75, 31, 87, 7]]] * 2,
        "probability_thresholds": [0.0, 0.5],
        "percentile_tables": [[[82, 118, 0, 0]]] * 2,
        "percentile_thresholds": [0.0],
    },
    Residuals: {"bin_edges": [50, 100, 200, 300, 350], "bin_counts": [0.88, 20, 30, 50.99]},
    Predictions: {
        "bin_averages": [0.25, None],
        "bin_errors": [0.013, "NaN"],
        "bin_counts": [56, 0],
        "bin_edges": [0.0, 0.5, 1.0],
    },
}


def envelope(kind: Any, **changes: Any) -> dict[str, Any]:
    data = {**GOOD[kind], **changes}
    return {"schema_type": kind.schema_type, "schema_version": kind.version, "data": data}


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("version", ["v1", "1.0.0", "1.0.1"])
def test_a_chart_of_azure_is_taken(kind: Any, version: str) -> None:
    checked({**envelope(kind), "schema_version": version}, kind)


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        (ConfusionMatrix, {"matrix": [[1, 2]]}, "data.matrix"),
        (ConfusionMatrix, {"matrix": [[1, 2], [3]]}, "data.matrix[1]"),
        (ConfusionMatrix, {"matrix": [[1, -2], [3, 4]]}, "data.matrix[0][1]"),
        (ConfusionMatrix, {"matrix": [[1, 2], ["3", 4]]}, "data.matrix[1][0]"),
        (ConfusionMatrix, {"matrix": None}, "data.matrix"),
        (ConfusionMatrix, {"class_labels": []}, "data.class_labels"),
        (AccuracyTable, {"probability_tables": []}, "data.probability_tables"),
        (AccuracyTable, {"percentile_tables": [[], []]}, "data.percentile_tables[0]"),
        (AccuracyTable, {"probability_thresholds": [0.5, 0]}, "data.probability_thresholds"),
        (
            AccuracyTable,
            {"percentile_tables": [[[1, 2, 3]]] * 2},
            "data.percentile_tables[0][0]",
        ),
        (AccuracyTable, {"percentile_thresholds": [2]}, "data.percentile_thresholds[0]"),
        (Residuals, {"bin_edges": [1, 2]}, "data.bin_counts"),
        (Residuals, {"bin_edges": [5, 4, 3, 2, 1]}, "data.bin_edges"),
        (Residuals, {"bin_edges": [1, 2, 3, 4, "Infinity"]}, "data.bin_edges[4]"),
        (Predictions, {"bin_errors": [1]}, "data.bin_errors"),
    ],
)
def test_what_contradicts_itself_is_refused(kind: Any, changes: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        checked(envelope(kind, **changes), kind)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schema_type": "residuals"}, "schema_type"),
        ({"schema_version": "2.0.0"}, "schema_version"),
        ({"data": []}, "data"),
    ],
)
def test_another_kind_of_chart_is_refused(changes: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        checked({**envelope(ConfusionMatrix), **changes}, ConfusionMatrix)
    assert refusal.value.field == field
    for name in ("schema_type", "schema_version", "data"):
        value = envelope(ConfusionMatrix)
        del value[name]
        with pytest.raises(InvalidInput) as refusal:
            checked(value, ConfusionMatrix)
        assert refusal.value.field == name


def test_a_chart_is_a_mapping_its_text_or_a_file(tmp_path: Path) -> None:
    value = envelope(ConfusionMatrix)
    file = tmp_path / "chart.json"
    file.write_text(json.dumps(value))
    assert read(value) is value
    assert read("  " + json.dumps(value)) == value
    assert read(file) == read(str(file)) == value


@pytest.mark.parametrize(
    "value",
    [
        "{",
        "[1]",
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        "no/such/file",
        "",
        "x\0y",
        "{\ud800",
        5,
        "x" * 9999,
    ],
)
def test_what_is_none_of_these_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read(value)
    assert refusal.value.field == "value"
    assert len(refusal.value.message) < 300
