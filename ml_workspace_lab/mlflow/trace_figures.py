"""The calls about many traces at once: figures, and how two filters go together."""

import json
import re

from msgspec import Struct, field

from ml_workspace_lab.api.types import Int64
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.mlflow import lookup
from ml_workspace_lab.mlflow.answers import answer
from ml_workspace_lab.mlflow.errors import invalid, missing
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.trace_entities import moment
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.tracing.figures_model import (
    AskFigures,
    CorrelateTraces,
    Counted,
    Figure,
)

VIEWS: tuple[Counted, ...] = ("traces", "spans", "assessments")
"""In the order of their numbers, which begin at 1, as those of the aggregations do."""
AGGREGATIONS = ("COUNT", "SUM", "AVG", "PERCENTILE", "MIN", "MAX")
MAX_RESULTS = 1000
FILTERS = {"first": "filter_string1", "second": "filter_string2", "filter": "base_filter"}
"""What the protocol calls the filters of a correlation."""
_SOURCE_RUN = "mlflow.sourceRun"
_JSON_VALUE = re.compile(r'-?[0-9].*|true|false|[\[{"].*', re.DOTALL)
_FILTER = re.compile(
    r"""\s*(?P<of>trace|span|assessment)\.(?P<what>[a-z]+)(?:\.(?P<key>`[^`]+`|"[^"]+"|[^\s=]+))?"""
    r"""\s*=\s*(?P<value>'[^']*'|"[^"]*")\s*"""
)
_PAIRS = ("tag", "metadata")


class Aggregation(Struct):
    aggregation_type: str | int
    percentile_value: float | None = None


class Query(Struct):
    experiment_ids: list[str]
    view_type: str | int
    metric_name: str
    aggregations: list[Aggregation]
    dimensions: list[str] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)
    time_interval_seconds: Int64 = 0
    start_time_ms: Int64 | None = None
    end_time_ms: Int64 | None = None
    max_results: int = MAX_RESULTS
    page_token: str | None = None


class Correlate(Struct):
    experiment_ids: list[str]
    filter_string1: str
    filter_string2: str
    base_filter: str = ""


def metrics(request: Request) -> Response:
    call = body(request, Query)
    if not call.aggregations:
        raise missing("aggregations")
    if call.time_interval_seconds and (call.start_time_ms is None or call.end_time_ms is None):
        raise InvalidInput(
            "start_time_ms and end_time_ms are required if time_interval_seconds is set",
            field="start_time_ms",
        )
    of = _view(call.view_type)
    words = {_word(one): _label(one) for one in call.aggregations}
    said, where = _filters(call.filters, of)
    asked = AskFigures(
        experiments=lookup.experiment_names(request.connection, call.experiment_ids),
        of=of,
        figure=call.metric_name,
        aggregations=list(words),
        by=call.dimensions,
        filter=said,
        where=where,
        every=call.time_interval_seconds or None,
        since=call.start_time_ms,
        until=call.end_time_ms,
        limit=call.max_results,
        after=call.page_token or None,
    )
    page = request.connection.traces.figures(asked)
    points = [
        {
            "metric_name": call.metric_name,
            "dimensions": _dimensions(one),
            "values": {words[word]: value for word, value in one.values.items()},
        }
        for one in page.items
    ]
    return answer(data_points=points, next_page_token=page.next)


def correlation(request: Request) -> Response:
    call = body(request, Correlate)
    if not call.experiment_ids:
        raise missing("experiment_ids")
    asked = CorrelateTraces(
        experiments=lookup.experiment_names(request.connection, call.experiment_ids),
        first=call.filter_string1,
        second=call.filter_string2,
        filter=call.base_filter,
    )
    try:
        found = request.connection.traces.correlate(asked)
    except InvalidInput as error:
        raise _of_filter(error) from None
    return answer(
        npmi=found.npmi,
        npmi_smoothed=found.npmi_smoothed,
        filter1_count=found.first,
        filter2_count=found.second,
        joint_count=found.both,
        total_count=found.traces,
    )


def _of_filter(error: InvalidInput) -> InvalidInput:
    """What is wrong with a filter, by its name in the protocol and in the words that clients look
    for."""
    name = FILTERS.get(error.field or "")
    if name is None:
        return error
    said = error.message.removeprefix(f"{error.field}: ")
    return InvalidInput(f"Invalid {name}: {said}", field=name, hint=error.hint)


def _view(given: str | int) -> Counted:
    if isinstance(given, int) and 1 <= given <= len(VIEWS):
        return VIEWS[given - 1]
    for view in VIEWS:
        if given == view.upper():
            return view
    known = ", ".join(view.upper() for view in VIEWS)
    raise invalid("view_type", given, f"it must be one of {known}.")


def _kind(given: str | int) -> str:
    if isinstance(given, int) and 1 <= given <= len(AGGREGATIONS):
        return AGGREGATIONS[given - 1]
    if given not in AGGREGATIONS:
        raise invalid("aggregation_type", given, f"it must be one of {', '.join(AGGREGATIONS)}.")
    return str(given)


def _word(one: Aggregation) -> str:
    """An aggregation as we call it."""
    kind = _kind(one.aggregation_type)
    percentile = one.percentile_value
    if (kind == "PERCENTILE") is (percentile is None):
        raise invalid("percentile_value", percentile, "it is for PERCENTILE, which needs one.")
    if percentile is None:
        return kind.lower()
    if not 0 <= percentile <= 100:
        raise invalid("percentile_value", percentile, "it must be between 0 and 100.")
    return f"p{percentile:.6f}".rstrip("0").rstrip(".")


def _label(one: Aggregation) -> str:
    """The aggregation as clients look for it."""
    if one.percentile_value is not None:
        return f"P{one.percentile_value}"
    return _kind(one.aggregation_type)


def _filters(texts: list[str], of: Counted) -> tuple[str, dict[str, str]]:
    """What the filters say of traces, in the grammar of their search, and of what is counted."""
    said: list[str] = []
    where: dict[str, str] = {}
    for text in texts:
        match = _FILTER.fullmatch(text)
        if match is None:
            raise _unreadable(text, "Write it as: trace.status = 'OK'.")
        place, what, key, value = match.group("of", "what", "key", "value")
        if (what in _PAIRS) is (key is None):
            raise _unreadable(text, "tag and metadata have a key, and nothing else has.")
        if place == "trace":
            said.append(_of_trace(text, what, key, value))
        elif f"{place}s" != of or where.get(what, value[1:-1]) != value[1:-1]:
            raise _unreadable(text, f"This is about {of}, and what is said twice must be one.")
        else:
            where[what] = value[1:-1]
    return " AND ".join(said), where


def _of_trace(text: str, what: str, key: str | None, value: str) -> str:
    if key is None:
        if what != "status":
            raise _unreadable(text, "Of a trace there are status, tag and metadata.")
        return f"status = {value}"
    name = key.strip('`"')
    if "`" in name:
        raise _unreadable(text, "A key has no backtick.")
    if (what, name) == ("metadata", _SOURCE_RUN):  # Others are linked to it by and by.
        return f"(metadata.`{name}` = {value} OR run_id = {value})"
    return f"{what}.`{name}` = {value}"


def _unreadable(text: str, hint: str) -> InvalidInput:
    return InvalidInput(f"Invalid filter: {shown(text)}.", field="filters", hint=hint)


def _dimensions(one: Figure) -> dict[str, str]:
    found = {} if one.time is None else {"time_bucket": moment(one.time).isoformat()}
    for name, value in one.by.items():
        is_text = name == "assessment_value" and not _JSON_VALUE.fullmatch(value)
        found[name] = json.dumps(value) if is_text else value
    return found


CALLS = (
    ("POST", "traces/metrics", metrics),
    ("POST", "traces/calculate-filter-correlation", correlation),
)
