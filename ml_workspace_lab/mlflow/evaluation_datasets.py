"""The calls about evaluation datasets and their records."""

import json
import re
from contextlib import suppress

from msgspec import Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.evaluation.model import (
    CreateEvaluationDataset,
    DeleteRecords,
    EvaluationDataset,
    PutRecords,
    SearchEvaluationDatasets,
    UpdateEvaluationDataset,
)
from ml_workspace_lab.mlflow import evaluation_entities as entities
from ml_workspace_lab.mlflow import lookup, paging
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.evaluation_entities import experiments_in
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response

_RECORD_ID = re.compile(r"dr-[0-9a-f]{32}")


class Create(Struct):
    name: str
    experiment_ids: list[str] = field(default_factory=list)
    tags: str = ""


class Search(Struct):
    experiment_ids: list[str] = field(default_factory=list)
    filter_string: str = ""
    max_results: int = 1_000
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


class SetTags(Struct):
    tags: str


class Experiments(Struct):
    experiment_ids: list[str] = field(default_factory=list)


class Upsert(Struct):
    records: str


class GetRecords(Struct):
    max_results: int = 0
    page_token: str = ""


class Delete(Struct):
    dataset_record_ids: list[str] = field(default_factory=list)


def create(request: Request) -> Response:
    call = body(request, Create)
    tags = entities.tags_in(call.tags) if call.tags else {}
    names = experiments_in(request.connection, call.experiment_ids)
    wanted = CreateEvaluationDataset(call.name, names, tags)
    return _answer(request.connection.evaluation_datasets.create(wanted))


def get(request: Request) -> Response:
    return _answer(_named(request))


def delete(request: Request) -> Response:
    with suppress(NotFound):  # It may have been deleted already.
        request.connection.evaluation_datasets.delete(_named(request).dataset_id)
    return NOTHING


def search(request: Request) -> Response:
    call = body(request, Search)
    paging.check_listed(call.max_results)
    names = None
    if call.experiment_ids:
        # What is no number is no experiment's.
        numbers = [one for one in call.experiment_ids if lookup.is_experiment_id(one)]
        names = lookup.experiment_names(request.connection, numbers)
    found, following = paging.gathered(
        lambda limit, token: request.connection.evaluation_datasets.search(
            SearchEvaluationDatasets(call.filter_string, names, call.order_by, limit, token)
        ),
        call.max_results,
        call.page_token,
        lambda one: len(json.dumps([one.tags, one.fields])),
    )
    return answer(datasets=list(map(entities.dataset, found)), next_page_token=following)


def set_tags(request: Request) -> Response:
    tags = entities.tags_in(body(request, SetTags).tags)
    _change(request, UpdateEvaluationDataset(tags=tags))
    return NOTHING


def delete_tag(request: Request) -> Response:
    with suppress(NotFound):  # There is nothing to delete where there is no dataset, either.
        _change(request, UpdateEvaluationDataset(remove_tags=[request.path["key"]]))
    return NOTHING


def experiment_ids(request: Request) -> Response:
    return answer(experiment_ids=entities.dataset(_named(request)).experiment_ids)


def add_experiments(request: Request) -> Response:
    dataset, given = _named(request), body(request, Experiments).experiment_ids
    names = experiments_in(request.connection, given)
    change = UpdateEvaluationDataset(add_experiments=names)
    return _answer(request.connection.evaluation_datasets.update(dataset.dataset_id, change))


def remove_experiments(request: Request) -> Response:
    """Those that it doesn't have are passed over."""
    dataset, given = _named(request), body(request, Experiments).experiment_ids
    numbers = {str(number): name for name, number in dataset.experiments.items()}
    names = [numbers[one] for one in dict.fromkeys(given) if one in numbers]
    change = UpdateEvaluationDataset(remove_experiments=names)
    return _answer(request.connection.evaluation_datasets.update(dataset.dataset_id, change))


def upsert_records(request: Request) -> Response:
    call = body(request, Upsert)
    records = PutRecords(entities.records_in(call.records))
    done = request.connection.evaluation_records.put(_named(request).dataset_id, records)
    return answer(inserted_count=done.inserted, updated_count=done.updated)


def get_records(request: Request) -> Response:
    """A page; it may have fewer records than were asked for and still be followed by others."""
    call = body(request, GetRecords)
    if call.max_results < 0:
        raise InvalidInput(
            f"Invalid value {call.max_results} for parameter 'max_results' supplied. It must be a"
            " positive integer",
            field="max_results",
        )
    dataset_id = _named(request).dataset_id
    page = request.connection.evaluation_records.list(
        dataset_id, min(call.max_results or paging.AT_ONCE, paging.AT_ONCE), call.page_token or None
    )
    records = [entities.record(one, dataset_id) for one in page.items]
    return answer(records=json.dumps(records), next_page_token=page.next)


def delete_records(request: Request) -> Response:
    given = body(request, Delete).dataset_record_ids
    wanted = DeleteRecords([one for one in given if _RECORD_ID.fullmatch(one)])
    gone = request.connection.evaluation_records.delete(_named(request).dataset_id, wanted)
    return answer(deleted_count=gone.count)


def _named(request: Request) -> EvaluationDataset:
    return find(request.connection, request.path["dataset_id"])


def find(connection: LocalConnection, dataset_id: str) -> EvaluationDataset:
    try:
        found: EvaluationDataset = connection.evaluation_datasets.get(dataset_id)
    except (NotFound, InvalidInput):  # An id that no dataset can have is none's.
        raise NotFound(
            f"Evaluation dataset with id '{dataset_id[:80]}' not found", field="dataset_id"
        ) from None
    return found


def _change(request: Request, change: UpdateEvaluationDataset) -> None:
    request.connection.evaluation_datasets.update(_named(request).dataset_id, change)


def _answer(info: EvaluationDataset) -> Response:
    return answer(dataset=entities.dataset(info))


_ONE = r"datasets/(?P<dataset_id>[^/]+)"
CALLS = (
    ("POST", "datasets/create", create),
    ("POST", "datasets/search", search),
    ("GET", "datasets/search", search),
    ("GET", _ONE, get),
    ("DELETE", _ONE, delete),
    ("PATCH", f"{_ONE}/tags", set_tags),
    ("DELETE", f"{_ONE}/tags/(?P<key>.+)", delete_tag),
    ("POST", f"{_ONE}/records", upsert_records),
    ("GET", f"{_ONE}/records", get_records),
    ("DELETE", f"{_ONE}/records", delete_records),
    ("GET", f"{_ONE}/experiment-ids", experiment_ids),
    ("POST", f"{_ONE}/add-experiments", add_experiments),
    ("POST", f"{_ONE}/remove-experiments", remove_experiments),
)
