"""The calls about scorers."""

import re
from collections.abc import Callable

from msgspec import UNSET, Struct, UnsetType

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.evaluation.scorer import (
    GetScorerSamplings,
    ListScorers,
    RegisterScorer,
    ScorerVersionList,
    SetScorerSampling,
)
from ml_workspace_lab.mlflow import evaluation_entities as entities
from ml_workspace_lab.mlflow import lookup, paging
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response

AT_MOST = 64 * 1024 * 1024
"""Characters that the scorers of one answer have at most: the protocol has no pages of them."""

_SCORER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Register(Struct):
    experiment_id: str
    name: str
    serialized_scorer: str


class List(Struct):
    experiment_id: str = ""
    experiment_ids: list[str] | UnsetType = UNSET


class Versions(Struct):
    experiment_id: str
    name: str


class One(Struct):
    experiment_id: str
    name: str
    version: int | None = None


class SetOnline(Struct):
    experiment_id: str
    name: str
    sample_rate: float
    filter_string: str | None = None


class GetOnline(Struct):
    scorer_ids: list[str]


def register(request: Request) -> Response:
    call = body(request, Register)
    experiment = _experiment(request, call.experiment_id)
    made = request.connection.scorers.register(
        experiment, RegisterScorer(call.name, call.serialized_scorer)
    )
    return answer(
        version=made.version,
        scorer_id=made.scorer_id,
        experiment_id=str(made.experiment_number),
        name=made.name,
        serialized_scorer=made.content,
        creation_time=made.created,
    )


def list_latest(request: Request) -> Response:
    """The newest version of each scorer of some experiments, or of all that are not deleted."""
    call = body(request, List)
    if call.experiment_id and call.experiment_ids is not UNSET:
        raise InvalidInput(
            "Cannot specify both 'experiment_id' and 'experiment_ids'.", field="experiment_ids"
        )
    names: list[str] | None = None
    if call.experiment_id:
        names = [_experiment(request, call.experiment_id)]
    elif call.experiment_ids is not UNSET:
        names = lookup.experiment_names(request.connection, call.experiment_ids)

    scorers = request.connection.scorers
    return _listed(lambda after: scorers.list(ListScorers(names, paging.AT_ONCE, after)))


def list_versions(request: Request) -> Response:
    call = body(request, Versions)
    experiment, scorers = _experiment(request, call.experiment_id), request.connection.scorers
    return _listed(lambda after: scorers.versions(experiment, call.name, paging.AT_ONCE, after))


def get(request: Request) -> Response:
    call = body(request, One)
    experiment = _experiment(request, call.experiment_id)
    found = request.connection.scorers.get(experiment, call.name, call.version)
    return answer(scorer=entities.scorer(found))


def delete(request: Request) -> Response:
    call = body(request, One)
    experiment = _experiment(request, call.experiment_id)
    request.connection.scorers.delete(experiment, call.name, call.version)
    return NOTHING


def set_online(request: Request) -> Response:
    call = body(request, SetOnline)
    if not 0 <= call.sample_rate <= 1:
        raise InvalidInput(
            f"sample_rate must be between 0.0 and 1.0, got {call.sample_rate}", field="sample_rate"
        )
    experiment = _experiment(request, call.experiment_id)
    made = request.connection.scorers.set_sampling(
        experiment, call.name, SetScorerSampling(call.sample_rate, call.filter_string)
    )
    return answer(config=entities.config(made))


def get_online(request: Request) -> Response:
    given = body(request, GetOnline).scorer_ids
    wanted = GetScorerSamplings([one for one in given if _SCORER_ID.fullmatch(one)])
    found = request.connection.scorers.samplings(wanted).items
    return answer(configs=[entities.config(one) for one in found])


def _experiment(request: Request, experiment_id: str) -> str:
    """The name of the experiment of that id. Raises InvalidInput where it is in the trash."""
    return lookup.active_experiment(request.connection, experiment_id).name


def _listed(page: Callable[[str | None], ScorerVersionList]) -> Response:
    """All that there are, page by page. Raises InvalidInput where they are too many."""
    found: list[entities.Scorer] = []
    size, following = 0, None
    while True:
        part = page(following)
        found += map(entities.scorer, part.items)
        size += sum(len(one.content) for one in part.items)
        following = part.next
        if following is None:
            return answer(scorers=found)
        if size > AT_MOST:
            raise InvalidInput(
                "There are more scorers than one answer takes.",
                field="experiment_id",
                hint="Ask for one experiment, or for one scorer by its name.",
            )


CALLS = (
    ("POST", "scorers/register", register),
    ("GET", "scorers/list", list_latest),
    ("GET", "scorers/versions", list_versions),
    ("GET", "scorers/get", get),
    ("DELETE", "scorers/delete", delete),
    ("PUT", "scorers/online-config", set_online),
    ("GET", "scorers/online-configs", get_online),
)
