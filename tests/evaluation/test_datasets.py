"""Evaluation datasets: kept with their records, merged, found, and never left dangling."""

import json
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.evaluation import fields, merging
from ml_workspace_lab.evaluation.model import (
    CreateEvaluationDataset,
    DeleteRecords,
    EvaluationDataset,
    EvaluationRecord,
    PutCount,
    PutRecord,
    PutRecords,
    RecordSource,
    SearchEvaluationDatasets,
    UpdateEvaluationDataset,
)
from ml_workspace_lab.experiments.model import CreateExperiment
from ml_workspace_lab.experiments.search import bounded
from ml_workspace_lab.experiments.trash import Purge


def create(ws: Workspace, name: str = "qa", *experiments: str, **tags: str) -> EvaluationDataset:
    for one in experiments:
        ws.connection.experiments.create(CreateExperiment(one))
    made: EvaluationDataset = ws.connection.evaluation_datasets.create(
        CreateEvaluationDataset(name, list(experiments), tags)
    )
    return made


def put(ws: Workspace, dataset: EvaluationDataset, *items: PutRecord) -> PutCount:
    done: PutCount = ws.connection.evaluation_records.put(
        dataset.dataset_id, PutRecords(list(items))
    )
    return done


def read(ws: Workspace, dataset: EvaluationDataset) -> EvaluationDataset:
    return ws.connection.evaluation_datasets.get(dataset.dataset_id)


def records(ws: Workspace, dataset: EvaluationDataset, limit: int = 2) -> list[EvaluationRecord]:
    """All of them, page by page."""
    found: list[EvaluationRecord] = []
    after = None
    while True:
        page = ws.connection.evaluation_records.list(dataset.dataset_id, limit, after)
        found += page.items
        after = page.next
        if after is None:
            return found


def test_a_record_is_kept_whole_and_merged(ws: Workspace) -> None:
    dataset = create(ws)
    inputs = {"q": "warum\n'\"", "deep": [{"a": [1, 2.5, None, True, 10**25]}]}
    source = RecordSource("DOCUMENT", {"source_id": "d"})
    first = PutRecord(inputs, "plain", {"a": 1}, {"mlflow.user": "me", "n": 1}, source)
    assert put(ws, dataset, first) == PutCount(1, 0)
    (kept,) = records(ws, dataset)
    assert (kept.inputs, kept.outputs, kept.expectations) == (inputs, "plain", {"a": 1})
    assert (kept.tags, kept.source) == ({"mlflow.user": "me", "n": 1}, source)
    assert (kept.created_by, kept.updated_by) == ("me", "me")
    more = PutRecord(inputs, None, {"b": 2}, {"mlflow.user": "you"}, RecordSource("HUMAN"))
    assert put(ws, dataset, more, PutRecord(inputs)) == PutCount(0, 2)
    (merged,) = records(ws, dataset)
    assert (merged.record_id, merged.created) == (kept.record_id, kept.created)
    assert (merged.outputs, merged.expectations) == (None, {"a": 1, "b": 2})
    assert (merged.tags["mlflow.user"], merged.source) == ("you", source)
    assert (merged.created_by, merged.updated_by) == ("me", "you")
    assert merged.updated > kept.updated


def test_numbers_that_are_equal_but_not_the_same_are_other_inputs(ws: Workspace) -> None:
    dataset = create(ws)
    items = [PutRecord({"n": value}) for value in (1, 1.0, True, "1", None)]
    assert put(ws, dataset, *items) == PutCount(5, 0)
    assert [type(one.inputs["n"]) for one in records(ws, dataset)] == [
        int, float, bool, str, type(None),
    ]  # fmt: skip


def test_many_records_are_merged_part_by_part(ws: Workspace) -> None:
    dataset = create(ws)
    numbers = [*range(250), *range(100, 350)]
    assert put(ws, dataset, *(PutRecord({"n": n}) for n in numbers)) == PutCount(350, 150)
    assert [one.inputs["n"] for one in records(ws, dataset, 99)] == [*range(350)]
    assert read(ws, dataset).records == 350


def test_the_digest_is_another_one_after_every_change_of_the_records(ws: Workspace) -> None:
    dataset = create(ws)
    digests = {dataset.digest}
    for n in range(5):
        put(ws, dataset, PutRecord({"n": n}))
        digests.add(read(ws, dataset).digest)
    gone = DeleteRecords([records(ws, dataset)[0].record_id])
    assert ws.connection.evaluation_records.delete(dataset.dataset_id, gone).count == 1
    after = read(ws, dataset)
    assert (len({*digests, after.digest}), after.records) == (7, 4)
    ws.connection.evaluation_datasets.update(
        dataset.dataset_id, UpdateEvaluationDataset(tags={"k": "v"})
    )
    assert read(ws, dataset).digest == after.digest
    assert ws.connection.evaluation_records.delete(dataset.dataset_id, gone).count == 0
    assert read(ws, dataset).digest == after.digest


def test_a_record_that_is_too_large_is_refused_and_nothing_is_kept(ws: Workspace) -> None:
    dataset = create(ws)
    half = "x" * (merging.RECORD_SIZE // 2)
    put(ws, dataset, PutRecord({"n": 1}, expectations={"a": half}))
    for items in (
        [PutRecord({"n": 2}), PutRecord({"n": 3}, half + half)],
        [PutRecord({"n": 2}), PutRecord({"n": 1}, expectations={"b": half})],
    ):
        with pytest.raises(InvalidInput, match="the most"):
            put(ws, dataset, *items)
    assert [one.inputs for one in records(ws, dataset)] == [{"n": 1}]
    # What is replaced makes room for what replaces it.
    for _ in range(3):
        put(ws, dataset, PutRecord({"n": 1}, expectations={"a": half}))


def test_a_page_is_bounded_by_its_size(ws: Workspace) -> None:
    dataset = create(ws)
    large = "x" * (merging.RECORD_SIZE - 1000)
    for n in range(6):
        put(ws, dataset, PutRecord({"n": n}, large))
    page = ws.connection.evaluation_records.list(dataset.dataset_id, 1000)
    assert len(page.items) * merging.RECORD_SIZE <= bounded.PAGE_SIZE
    assert page.next is not None
    assert [one.inputs["n"] for one in records(ws, dataset, 1000)] == [*range(6)]


def test_a_dataset_has_a_bounded_number_of_fields(ws: Workspace) -> None:
    dataset = create(ws)
    put(ws, dataset, PutRecord({f"f{n}": 1 for n in range(fields.MOST)}))
    put(ws, dataset, PutRecord({"f0": "other"}))
    with pytest.raises(InvalidInput, match="fields"):
        put(ws, dataset, PutRecord({"more": 1}))
    assert read(ws, dataset).records == 2


def test_what_no_database_keeps_is_refused(ws: Workspace) -> None:
    dataset = create(ws)
    for inputs in ({"q": "a\0b"}, {"a\0b": 1}, {"q": "\ud800"}):
        with pytest.raises(InvalidInput):
            put(ws, dataset, PutRecord(inputs))
    odd: Any = {"q": float("nan")}
    with pytest.raises(InvalidInput, match="NaN"):
        put(ws, dataset, PutRecord(odd))
    with pytest.raises(InvalidInput, match="after"):
        ws.connection.evaluation_records.list(dataset.dataset_id, 10, "none")
    with pytest.raises(NotFound):
        ws.connection.evaluation_records.list("d-" + "0" * 32)
    assert records(ws, dataset) == []


def test_datasets_are_found_page_by_page(ws: Workspace) -> None:
    for n in range(5):
        create(ws, f"set {n}", "a" if n % 2 else "b", parity=str(n % 2))
    names: list[str] = []
    asked = SearchEvaluationDatasets("tags.parity = '0'", ["a", "b"], ["name DESC"], 2)
    while True:
        page = ws.connection.evaluation_datasets.search(asked)
        names += [one.name for one in page.items]
        if page.next is None:
            break
        asked = SearchEvaluationDatasets(asked.filter, ["a", "b"], ["name DESC"], 2, page.next)
    assert names == ["set 4", "set 2", "set 0"]
    for experiments, count in ((["a"], 2), (["none"], 0), ([], 0), (None, 5)):
        found = ws.connection.evaluation_datasets.search(SearchEvaluationDatasets("", experiments))
        assert len(found.items) == count


def test_a_page_of_datasets_is_bounded_by_its_size(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "PAGE_SIZE", 1000)
    for n in range(5):
        create(ws, f"set {n}", text="x" * 400)
    names: list[str] = []
    after = None
    while True:
        asked = SearchEvaluationDatasets(limit=1000, after=after)
        page = ws.connection.evaluation_datasets.search(asked)
        assert len(page.items) <= 2
        names += [one.name for one in page.items]
        after = page.next
        if after is None:
            break
    assert names == [f"set {n}" for n in (4, 3, 2, 1, 0)]


def test_experiments_that_are_purged_leave_no_link(ws: Workspace) -> None:
    dataset = create(ws, "qa", "a", "b")
    put(ws, dataset, PutRecord({"n": 1}))
    ws.connection.experiments.delete("a")
    assert set(read(ws, dataset).experiments) == {"a", "b"}
    ws.connection.trash.purge(Purge(experiments=["a"]))
    assert set(read(ws, dataset).experiments) == {"b"}
    rows = "SELECT count(*) AS n FROM evaluation_dataset_experiment"
    database = ws.connection.storage.database
    assert database.one(rows)["n"] == 1
    assert [one.inputs for one in records(ws, dataset)] == [{"n": 1}]
    ws.connection.evaluation_datasets.delete(dataset.dataset_id)
    for table in ("evaluation_dataset_experiment", "evaluation_record", "evaluation_dataset"):
        assert database.one(f"SELECT count(*) AS n FROM {table}")["n"] == 0


def test_an_experiment_that_is_not_there_has_no_dataset(ws: Workspace) -> None:
    with pytest.raises(NotFound):
        ws.connection.evaluation_datasets.create(CreateEvaluationDataset("qa", ["none"]))
    dataset = create(ws, "qa", "a")
    for change in (
        UpdateEvaluationDataset(tags={"k": "v"}, add_experiments=["none"]),
        UpdateEvaluationDataset(tags={"k": "v"}, remove_experiments=["none"]),
    ):
        with pytest.raises(NotFound):
            ws.connection.evaluation_datasets.update(dataset.dataset_id, change)
    assert read(ws, dataset) == dataset


def test_the_types_of_outputs_that_are_no_object_are_told() -> None:
    known = fields.extended(None, [PutRecord({"a": 1}, [1])])
    known = fields.extended(known, [PutRecord({"a": "x"}, {"o": 1}), PutRecord({}, None)])
    assert known is not None
    assert json.loads(known) == {
        "inputs": {"a": "integer"}, "outputs": "array", "expectations": {}, "version": "1.0",
    }  # fmt: skip
    assert fields.extended(None, []) is None
