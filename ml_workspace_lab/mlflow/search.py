"""The calls that search: runs and experiments."""

from contextlib import suppress

from msgspec import Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.finding import SearchExperiments
from ml_workspace_lab.experiments.search.model import RunView, SearchRuns
from ml_workspace_lab.experiments.search.ordering import MAX_TERMS, parse_order
from ml_workspace_lab.experiments.search.runs import RUNS
from ml_workspace_lab.mlflow import entities, inputs, lookup
from ml_workspace_lab.mlflow.answers import answer
from ml_workspace_lab.mlflow.errors import invalid
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response

LISTED = 50_000
AT_ONCE = 1_000
"""Experiments that one of our own pages has at most."""
FEW = 20
"""Experiments up to which each is asked for by its number."""
TIES = {"start_time": "start_time DESC", "run_id": "run_id"}
"""The order of runs that an order leaves equal, by attribute."""

VIEWS: dict[str | int, RunView] = {
    "ACTIVE_ONLY": "active",
    1: "active",
    "DELETED_ONLY": "deleted",
    2: "deleted",
    "ALL": "all",
    3: "all",
}


class Runs(Struct):
    experiment_ids: list[str] = field(default_factory=list)
    filter: str = ""
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: int = 1000
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


class Experiments(Struct):
    max_results: int = 0
    filter: str = ""
    view_type: str | int = "ACTIVE_ONLY"
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


def runs(request: Request) -> Response:
    call = body(request, Runs)
    _check_count(call.max_results)
    wanted = {lookup.experiment_number(one) for one in call.experiment_ids}
    known = _numbers(request.connection, wanted)
    asked = SearchRuns(
        filter=call.filter,
        experiments=list(known),
        view=_view("run_view_type", call.run_view_type),
        order_by=_with_ties(call.order_by),
        max_results=call.max_results,
        page_token=call.page_token or None,
    )
    page = request.connection.search.search(asked)
    if not known:  # The search said what is wrong with it; where nothing is, there is nothing.
        return answer()
    links = inputs.of_runs(request.connection, [one.run_id for one in page.items])
    found = [
        entities.Run(entities.run_info(one, known[one.experiment]), entities.run_data(one), *link)
        for one, link in zip(page.items, links, strict=True)
    ]
    return answer(runs=found, next_page_token=page.next)


def experiments(request: Request) -> Response:
    call = body(request, Experiments)
    _check_count(call.max_results)
    with suppress(NotFound):
        lookup.experiment(request.connection, "0")  # Clients count on it.
    found: list[entities.Experiment] = []
    after = call.page_token or None
    view = _view("view_type", call.view_type)
    while (left := call.max_results - len(found)) > 0:
        asked = SearchExperiments(call.filter, call.order_by, view, min(left, AT_ONCE), after)
        page = request.connection.experiment_search.find(asked)
        found += [entities.experiment(one) for one in page.items]
        after = page.next
        if after is None:
            break
    return answer(experiments=found, next_page_token=after)


def _numbers(connection: LocalConnection, wanted: set[int]) -> dict[str, int]:
    """The numbers of experiments by their names: of those that are wanted and there."""
    if len(wanted) <= FEW:
        asked = [number for number in wanted if 0 <= number < 2**63]
        found = [
            one for number in asked for one in connection.experiments.list("all", number).items
        ]
    else:
        found = connection.experiments.list("all").items
    return {one.name: one.number for one in found if one.number in wanted}


def _with_ties(order_by: list[str]) -> list[str]:
    """The order, and what clients expect of runs that it leaves equal."""
    order = parse_order(order_by, RUNS, MAX_TERMS - len(TIES))
    named = {one.term.name for one in order if one.term.entity == "attribute"}
    return [*order_by, *(text for name, text in TIES.items() if name not in named)]


def _check_count(wanted: int) -> None:
    if wanted < 1 or wanted > LISTED:
        raise invalid("max_results", wanted, f"It must be at least 1 and at most {LISTED}.")


def _view(name: str, given: str | int) -> RunView:
    view = VIEWS.get(int(given) if str(given).isdecimal() else given)
    if view is None:
        raise InvalidInput(f"{name}: is none of ACTIVE_ONLY, DELETED_ONLY, ALL.", field=name)
    return view
