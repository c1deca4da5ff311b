"""What a new version has to show before it takes a place."""

import json
from pathlib import Path

import pytest

from ml_workspace_lab.models.packages.edge_agent import probing
from ml_workspace_lab.models.packages.edge_agent.probing import Counts

METRICS = """
# HELP ml_workspace_endpoint_requests_total Answers by page and HTTP status.
# TYPE ml_workspace_endpoint_requests_total counter
ml_workspace_endpoint_requests_total{endpoint="a \\"b\\"",page="health",code="200"} 50
ml_workspace_endpoint_requests_total{endpoint="a \\"b\\"",page="score",code="200"} 100
ml_workspace_endpoint_requests_total{endpoint="a \\"b\\"",page="score",code="422"} 2
ml_workspace_endpoint_scored_seconds_bucket{endpoint="a",le="0.001"} 98
ml_workspace_endpoint_scored_seconds_bucket{endpoint="a",le="0.005"} 100
ml_workspace_endpoint_scored_seconds_bucket{endpoint="a",le="+Inf"} 100
ml_workspace_endpoint_scored_seconds_sum{endpoint="a"} 0.05
ml_workspace_endpoint_scored_seconds_count{endpoint="a"} 100
"""


def test_counts_of_scores_are_read() -> None:
    found = probing.parse(METRICS)
    assert found == Counts(102, 2, 100, 0.05, {0.001: 98, 0.005: 100, float("inf"): 100})
    line = probing.between(Counts(), found)
    assert line == {"requests": 102, "errors": 2, "mean_ms": 0.5, "p99_ms": 5.0}
    assert probing.between(found, found) == {"requests": 0, "errors": 0}


@pytest.mark.parametrize(
    ("kept", "body"),
    [
        ([[1, 2]], {"inputs": [[1, 2]]}),
        ({"inputs": [[1]]}, {"inputs": [[1]]}),
        ({"columns": ["a"], "data": [[1]]}, {"dataframe_split": {"columns": ["a"], "data": [[1]]}}),
        ({"dataframe_split": {"data": [[1]]}}, {"dataframe_split": {"data": [[1]]}}),
        ("a text", None),
        ({"question": "a"}, None),
    ],
)
def test_an_example_is_asked_for_in_its_own_form(
    tmp_path: Path, kept: object, body: object
) -> None:
    (tmp_path / "contained.json").write_text(json.dumps({"has_script": False}))
    assert probing.example(tmp_path) is None
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "model" / "input_example.json").write_text(json.dumps(kept))
    found = probing.example(tmp_path)
    assert (json.loads(found) if found else None) == body
    (tmp_path / "contained.json").write_text(json.dumps({"has_script": True}))
    assert probing.example(tmp_path) is None
