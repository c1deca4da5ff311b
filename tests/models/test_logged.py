"""Logged models: made by runs, found by what is said of them."""

import io
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.models.logged_model import (
    AddModelMetrics,
    LoggedModelInfo,
    LogModel,
    ModelMetric,
    OnDataset,
    Order,
    SearchLoggedModels,
    UpdateLoggedModel,
)


@pytest.fixture
def models(ws: Workspace) -> Any:
    return ws.connection.logged_models


def make(models: Any, name: str, **fields: Any) -> LoggedModelInfo:
    made: LoggedModelInfo = models.create(LogModel("e", name, **fields))
    return made


def test_what_differs_in_anything_is_another_metric(models: Any) -> None:
    model = make(models, "m")
    one = ModelMetric("acc", 0.5, 1, 1, dataset_name="d", dataset_digest="1")
    others = [
        ModelMetric("loss", 0.5, 1, 1, dataset_name="d", dataset_digest="1"),
        ModelMetric("acc", "NaN", 1, 1, dataset_name="d", dataset_digest="1"),
        ModelMetric("acc", 0.5, 2, 1, dataset_name="d", dataset_digest="1"),
        ModelMetric("acc", 0.5, 1, 2, dataset_name="d", dataset_digest="1"),
        ModelMetric("acc", 0.5, 1, 1, dataset_name="d", dataset_digest="2"),
        ModelMetric("acc", 0.5, 1, 1, run_id="a" * 32, dataset_name="d", dataset_digest="1"),
    ]
    for items in ([one], [one, *others, one], others):
        models.add_metrics(model.model_id, AddModelMetrics(items))
    found = models.get(model.model_id).metrics
    assert len(found) == 7
    assert all(item in found for item in (one, *others))
    models.add_metrics(make(models, "n").model_id, AddModelMetrics([one]))
    assert len(models.get(model.model_id).metrics) == 7


def names(models: Any, text: str = "", **fields: Any) -> list[str]:
    found = models.search(SearchLoggedModels(["e"], text, **fields))
    return [one.name for one in found.items]


def measure(models: Any, model: LoggedModelInfo, value: Any, dataset: str, time: int = 1) -> None:
    metric = ModelMetric("acc", value, 0, time, dataset_name=dataset, dataset_digest="1")
    models.add_metrics(model.model_id, AddModelMetrics([metric]))


def test_a_model_is_pending_until_it_is_said_to_be_ready(models: Any) -> None:
    made = make(models, "net", params={"lr": "0.1"}, tags={"a": "b"})
    assert (made.status, made.experiment, made.params) == ("pending", "e", {"lr": "0.1"})
    change = UpdateLoggedModel(status="ready", tags={"c": "d"}, remove_tags=["a"])
    changed = models.update(made.model_id, change)
    assert (changed.status, changed.tags) == ("ready", {"c": "d"})
    assert changed.updated >= made.updated
    assert models.get(made.model_id) == changed


def test_a_model_tells_of_the_run_that_made_it_here_or_elsewhere(models: Any) -> None:
    with pytest.raises(NotFound):
        make(models, "net", run_id="0" * 32)
    assert make(models, "net", foreign_run="another server's").run_id == "another server's"
    with pytest.raises(InvalidInput, match="one run made it") as refusal:
        make(models, "net", run_id="0" * 32, foreign_run="another server's")
    assert refusal.value.field == "foreign_run"


def test_a_parameter_keeps_its_value(models: Any) -> None:
    made = make(models, "net", params={"lr": "0.1"})
    models.update(made.model_id, UpdateLoggedModel(params={"lr": "0.1", "new": "1"}))
    with pytest.raises(Conflict, match="'lr' is set already"):
        models.update(made.model_id, UpdateLoggedModel(params={"lr": "0.2"}))
    assert models.get(made.model_id).params == {"lr": "0.1", "new": "1"}


def test_files_are_kept_replaced_and_taken_away(models: Any) -> None:
    model_id = make(models, "net").model_id
    for content in (b"one", b"three"):
        models.put_file(model_id, "data/w.bin", io.BytesIO(content))
    assert models.file(model_id, "data/w.bin").read() == b"three"
    assert [(file.path, file.size) for file in models.files(model_id).items] == [("data/w.bin", 5)]
    models.delete_file(model_id, "data/w.bin")
    for call in (models.file, models.delete_file):
        with pytest.raises(NotFound, match="has no file"):
            call(model_id, "data/w.bin")
    with pytest.raises(InvalidInput):
        models.put_file(model_id, "../x", io.BytesIO(b""))


def test_a_model_in_the_trash_takes_no_changes_and_is_not_found_by_searches(models: Any) -> None:
    made = make(models, "net")
    models.delete(made.model_id)
    assert models.get(made.model_id).deleted is not None
    assert names(models) == []
    for call, argument in [
        (models.update, UpdateLoggedModel(tags={"a": "b"})),
        (models.add_metrics, AddModelMetrics([])),
    ]:
        with pytest.raises(NotFound):
            call(made.model_id, argument)
    with pytest.raises(NotFound):
        models.delete(made.model_id)


def test_models_are_found_in_order_with_what_lacks_a_value_last(models: Any) -> None:
    a, b, c, d = (make(models, name, params={"p": name}) for name in "abcd")
    measure(models, a, 0.5, "train")
    measure(models, b, 0.9, "train")
    measure(models, b, 0.1, "test", time=2)
    measure(models, c, "NaN", "train")
    by_metric = [Order("metrics.acc", descending=True)]
    assert names(models, order_by=by_metric)[:2] == ["a", "b"]
    assert sorted(names(models, order_by=by_metric)[2:]) == ["c", "d"]
    on_train = [Order("metrics.acc", descending=True, dataset=OnDataset("train"))]
    assert names(models, order_by=on_train)[:2] == ["b", "a"]
    assert names(models, "metrics.acc > 0.4", order_by=[Order("name")]) == ["a", "b"]
    assert names(models, "metrics.acc > 0.4", datasets=[OnDataset("test")]) == []
    assert names(models, datasets=[OnDataset("test", "1")]) == ["b"]
    assert names(models, "params.p IN ('a', 'd') AND name != 'a'") == ["d"]
    assert names(models, f"model_id = '{d.model_id}' OR status = 'ready'") == ["d"]


def test_models_come_in_pages_that_a_new_one_does_not_shift(models: Any) -> None:
    for index in range(5):
        make(models, f"m{index}")
    asked = SearchLoggedModels(["e"], order_by=[Order("name")], limit=2)
    first = models.search(asked)
    make(models, "a new one")
    found = [one.name for one in first.items]
    page = first
    while page.next is not None:
        page = models.search(
            SearchLoggedModels(["e"], order_by=[Order("name")], limit=2, after=page.next)
        )
        found += [one.name for one in page.items]
    assert found == [f"m{index}" for index in range(5)]
    with pytest.raises(InvalidInput, match="not the token"):
        models.search(SearchLoggedModels(["e"], "name = 'x'", limit=2, after=first.next))


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": "nonsense = 'x'"},
        {"filter": "name = 'x'; DROP TABLE logged_model"},
        {"order_by": [Order("nonsense")]},
        {"order_by": [Order("params.x")]},
    ],
)
def test_a_senseless_search_is_refused(models: Any, fields: Any) -> None:
    with pytest.raises(InvalidInput):
        models.search(SearchLoggedModels(["e"], **fields))
