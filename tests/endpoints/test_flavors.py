"""Live models behind an endpoint, without a scoring script."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from ml_workspace_lab import Endpoint, Model, Workspace
from ml_workspace_lab.errors import InvalidInput, ScoringFailed
from tests.endpoints.support import score

NAMED = pd.DataFrame({"a": [0.0, 1.0, 0.0], "b": [0.0, 0.0, 1.0]})


@pytest.fixture
def lines(ws: Workspace) -> Endpoint:
    """A model of a data frame: y = 2 a + 3 b."""
    model = LinearRegression().fit(NAMED, [0, 2, 3])
    registered = Model.register(ws, "lines", model=model, input_example=NAMED)
    assert not registered.info().executes_code
    return Endpoint.deploy(ws, "lines", registered)


def test_a_registered_object_scores_by_the_names_of_its_columns(lines: Endpoint) -> None:
    for data in ([{"b": 1, "a": 1}], [[1, 1]]):
        answer = score(lines, json.dumps({"data": data}))
        assert answer.status == 200, answer
        assert answer.json == pytest.approx([5])
    refused = score(lines, json.dumps({"data": [{"a": 1, "c": 1}]}))
    assert refused.status == 400
    assert "Missing: b. Unknown: c." in refused.json["message"]


def test_an_object_that_is_tried_answers_before_it_is_deployed(ws: Workspace) -> None:
    tree = DecisionTreeRegressor().fit(np.eye(2), [1, 2])
    model = Model.register(ws, "tree", model=tree)
    assert model.preflight(sample={"data": [[1, 0]]}) == [1]
    with pytest.raises(InvalidInput, match="2"):
        model.preflight(sample={"data": [[1, 0, 0]]})


def test_a_folder_that_no_library_is_known_for_is_told(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {spacy: {}}")
    model = Model.register(ws, "other", tmp_path)
    with pytest.raises(ScoringFailed, match="flavors spacy"):
        model.preflight()
