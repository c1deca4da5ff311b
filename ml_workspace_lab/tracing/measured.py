"""What is measured of traces, spans and assessments: where each figure lies."""

from collections.abc import Mapping

from msgspec import Struct

from ml_workspace_lab.experiments.search.sql import Dialect, Sqlite
from ml_workspace_lab.tracing import visible
from ml_workspace_lab.tracing.figures_model import Counted
from ml_workspace_lab.tracing.terms import ATTRIBUTES

TOKENS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
COSTS = ("input_cost", "output_cost", "total_cost")
USAGE, SESSION = "mlflow.trace.tokenUsage", "mlflow.trace.session"
COST, MODEL, PROVIDER = "mlflow.llm.cost", "mlflow.llm.model", "mlflow.llm.provider"


class Measure(Struct, frozen=True):
    """A number of a row or, where it `is_counted`, what makes the row count."""

    sql: str
    is_counted: bool = False
    is_distinct: bool = False


class View(Struct, frozen=True):
    """Rows that are measured: what stands after FROM, when each was, what they are parted by, what
    they are chosen by, and what is measured of them."""

    rows: str
    time: str
    by: Mapping[str, str]
    where: Mapping[str, str]
    figures: Mapping[str, Measure]


def views(way: Dialect) -> Mapping[Counted, View]:
    """What there is to ask for, in terms of rows `x` of `trace`."""
    return {"traces": _traces(way), "spans": _spans(way), "assessments": _assessments(way)}


def _traces(way: Dialect) -> View:
    usage = _metadata(USAGE)
    return View(
        rows="trace x",
        time="x.created",
        by={"trace_name": ATTRIBUTES["name"].sql, "trace_status": "x.state"},
        where={},
        figures={
            "trace_count": Measure("x.id", is_counted=True),
            "session_count": Measure(_metadata(SESSION), is_counted=True, is_distinct=True),
            "latency": Measure(_real("x.duration")),
            **{name: Measure(_within(way, usage, name)) for name in TOKENS},
        },
    )


def _spans(way: Dialect) -> View:
    cost = _attribute(way, COST)
    return View(
        rows="trace x JOIN trace_span s ON s.trace = x.id",
        time="(s.started / 1000000)",
        by={
            "span_name": "s.name",
            "span_type": "s.type",
            "span_status": "s.status",
            "span_model_name": f"trim({_attribute(way, MODEL)}, '\"')",
            "span_model_provider": f"trim({_attribute(way, PROVIDER)}, '\"')",
        },
        where={"name": "s.name", "type": "s.type", "status": "s.status"},
        figures={
            "span_count": Measure("s.uid", is_counted=True),
            "latency": Measure(_real("((s.ended - s.started) / 1000000)")),
            **{name: Measure(_within(way, cost, name)) for name in COSTS},
        },
    )


def _assessments(way: Dialect) -> View:
    """A verdict counts as 1 or 0; one that was overridden counts nowhere."""
    verdict = (
        "CASE WHEN lower(trim(a.value)) IN ('yes', 'true') THEN 1.0"
        f" WHEN lower(trim(a.value)) IN ('no', 'false') THEN 0.0 ELSE {way.number('a.value')} END"
    )
    return View(
        rows="trace x JOIN assessment a ON a.trace = x.id AND a.valid = 1",
        time="x.created",
        by={"assessment_name": "a.name", "assessment_value": "a.value"},
        where={"name": "a.name", "type": "a.kind"},
        figures={
            "assessment_count": Measure("a.id", is_counted=True),
            "assessment_value": Measure(verdict),
        },
    )


def _metadata(key: str) -> str:
    return (
        "(SELECT m.value FROM trace_pair m WHERE m.trace = x.id AND m.kind = 'metadata'"  # noqa: S608
        f" AND m.key = '{key}')"
    )


def _attribute(way: Dialect, key: str) -> str:
    """An attribute of the span; only those are taken apart that have its name somewhere."""
    found = f"(SELECT t.value FROM {visible.attributes(way)} AND t.key = '{key}' LIMIT 1)"  # noqa: S608
    return f"CASE WHEN s.body LIKE '%{key}%' THEN {found} END"


def _within(way: Dialect, text: str, name: str) -> str:
    """The number of that name in a text of JSON; NULL where there is none."""
    if isinstance(way, Sqlite):
        number = _real(f"json_extract(j.t, '$.{name}')")
        return (
            f"(SELECT CASE WHEN json_valid(j.t) THEN CASE WHEN json_type(j.t, '$.{name}')"  # noqa: S608
            f" IN ('integer', 'real') THEN {number} END END"
            f" FROM (SELECT {text} AS t) j)"
        )
    return (
        f"(SELECT {way.number('j.t')} FROM (SELECT substring({text}"  # noqa: S608
        f" from '\"{name}\"\\s*:\\s*([-+0-9.eE]+)') AS t) j)"
    )


def _real(sql: str) -> str:
    return f"CAST({sql} AS double precision)"
