"""What answers each field of the schema: a call of the REST protocol, and the parts of its answer.

The calls get the caller's connection, so that what they check is checked here too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from graphql import (
    GraphQLEnumType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    get_nullable_type,
    is_list_type,
)

from ml_workspace_lab.mlflow import artifacts, experiments, history, inputs, runs, search, versions
from ml_workspace_lab.mlflow.graphql.limits import Budget
from ml_workspace_lab.mlflow.wire import Request, Response

Json = dict[str, Any]
Resolver = Callable[..., Any]

SCHEMA = Path(__file__).with_name("schema.graphql")
CALLS: Mapping[str, Callable[[Request], Response]] = {
    "mlflowGetExperiment": experiments.get,
    "mlflowGetRun": runs.get,
    "mlflowListArtifacts": artifacts.list_of_run,
    "mlflowGetMetricHistoryBulkInterval": history.interval,
    "mlflowSearchRuns": search.runs,
    "mlflowSearchDatasets": inputs.search_datasets,
    "mlflowSearchModelVersions": versions.search,
}
LOOKUP = 250
"""What a look-up for one run costs, in values."""
UNSET: Mapping[str, Any] = {
    "ApiError": None,  # Errors are told beside the data.
    "Boolean": False,
    "Float": 0.0,
    "Int": 0,
    "LongString": 0,
    "String": "",
}
"""What fields have that an answer leaves out; others are objects whose fields are all unset."""
_CAPITAL = re.compile(r"(?=[A-Z])")


@dataclass(slots=True)
class Asking:
    """One query: who asks, and what is known and left while it is answered."""

    request: Request
    budget: Budget = field(default_factory=Budget)
    _found: dict[tuple[object, str], Json] = field(default_factory=dict)

    def call(self, call: Callable[[Request], Response], given: Mapping[str, Any]) -> Json:
        """The answer of a call of the protocol to these fields."""
        self.budget.spend(1)
        query = {_wire(name): _texts(value) for name, value in given.items() if value is not None}
        asked = replace(self.request, path={}, query=query, body=BytesIO())
        body = call(asked).body
        assert isinstance(body, bytes)
        found: Json = msgspec.json.decode(body)
        return found

    def look_up(self, call: Callable[[Request], Response], name: str, value: str) -> Json:
        """The same of one field, for a part of each run; asked for once in a query."""
        key = call, value
        if key not in self._found:
            self.budget.spend(LOOKUP)
            self._found[key] = self.call(call, {name: value})
        return self._found[key]


@cache
def schema() -> GraphQLSchema:
    """The schema with what answers its fields."""
    built = build_schema(SCHEMA.read_text("utf-8"))
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, one in kind.fields.items():
                one.resolve = _resolver(kind.name, name, one.type)
    return built


def _resolver(kind: str, name: str, returned: GraphQLOutputType) -> Resolver:
    if kind in ("Query", "Mutation"):
        return _calling(CALLS[name]) if name in CALLS else _echo
    if kind == "MlflowRunExtension" and name in OF_RUN:
        return OF_RUN[name]
    return _reading(_wire(name), returned)


def _calling(call: Callable[[Request], Response]) -> Resolver:
    def called(_: object, info: GraphQLResolveInfo[Asking], **arguments: Any) -> Json:
        return info.context.call(call, arguments.get("input") or {})

    return called


def _echo(_: object, __: GraphQLResolveInfo[Asking], **arguments: Any) -> Json:
    return {"output": arguments.get("inputString")}


def _experiment(run: Json, info: GraphQLResolveInfo[Asking]) -> Json:
    found = info.context.look_up(experiments.get, "experimentId", run["info"]["experiment_id"])
    experiment: Json = found["experiment"]
    return experiment


def _versions(run: Json, info: GraphQLResolveInfo[Asking]) -> list[Json]:
    found = info.context.look_up(versions.search, "filter", f"run_id = '{run['info']['run_id']}'")
    versions_of_run: list[Json] = found.get("model_versions", [])
    return versions_of_run


OF_RUN: Mapping[str, Resolver] = {"experiment": _experiment, "modelVersions": _versions}


def _reading(key: str, returned: GraphQLOutputType) -> Resolver:
    """The part of an answer that has this name there."""
    unset = _unset(returned)
    if str(returned) == "LongString":
        return lambda source, _: str(source.get(key, unset))
    if str(returned) == "Float":
        return lambda source, _: _number(source.get(key, unset))
    return lambda source, _: source.get(key, unset)


def _number(value: float | str) -> float | None:
    """The value; None for NaN, which JSON doesn't have and answers spell."""
    return None if isinstance(value, str) else value


def _unset(returned: GraphQLOutputType) -> Any:
    kind = get_nullable_type(returned)
    if is_list_type(kind):
        return []
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    return UNSET.get(str(kind), {})


@cache
def _wire(name: str) -> str:
    """The name that a field has in the calls: `runId` is `run_id`."""
    return _CAPITAL.sub("_", name).lower()


def _texts(value: Any) -> list[str]:
    """A field as a query string has it; an item that is null is the empty text."""
    items = value if isinstance(value, list) else [value]
    return ["" if one is None else str(one) for one in items]
