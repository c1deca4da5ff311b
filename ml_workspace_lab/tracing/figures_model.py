"""What can be counted and measured over many traces."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import Int64, Limit, Millis, Name, Text, text_like

Counted = Literal["traces", "spans", "assessments"]
Aggregation = Annotated[
    str,
    text_like(
        r"^(count|sum|avg|min|max|p(100|[0-9]{1,2}(\.[0-9]{1,6})?))$(?!\n)",
        "is none of count, sum, avg, min, max, and a percentile such as p95",
    ),
]


class AskFigures(Struct, frozen=True, forbid_unknown_fields=True):
    """One figure of traces, of their spans or of what is thought of them.

    `filter` says which traces, in the grammar of their search; `where` which of their spans or
    assessments, by `name`, `type` and `status`. `by` parts them, as `every` does by seconds.
    `since` and `until` are the first and the last moment that count."""

    experiments: list[Name]
    of: Counted
    figure: Text
    aggregations: Annotated[list[Aggregation], Meta(min_length=1, max_length=20)]
    by: list[Text] = field(default_factory=list)
    filter: Text = ""
    where: dict[Text, Text] = field(default_factory=dict)
    every: Annotated[int, Meta(ge=1, le=2**31)] | None = None
    since: Int64 | None = None
    until: Int64 | None = None
    limit: Limit = 1000
    after: Text | None = None


class Figure(Struct, frozen=True):
    """The values of one part, by aggregation; `time` is when its bucket begins."""

    by: dict[str, str]
    values: dict[str, float]
    time: Millis | None = None


class FigureList(Struct, frozen=True):
    """Figures in the order of their times and parts; `next` is the `after` of those that follow."""

    items: list[Figure]
    next: str | None = None


class CorrelateTraces(Struct, frozen=True, forbid_unknown_fields=True):
    """Two filters of the search for traces, and one for those that are looked at at all."""

    experiments: list[Name]
    first: Text
    second: Text
    filter: Text = ""


class TraceCorrelation(Struct, frozen=True):
    """How many traces match each filter and both. `npmi` is their normalized pointwise mutual
    information: 1 where they always go together, 0 where they have nothing to do with each other,
    -1 where they never meet; None where one of them matches nothing. `npmi_smoothed` adds half a
    trace to each of the four counts, for small numbers."""

    traces: int
    first: int
    second: int
    both: int
    npmi: float | None
    npmi_smoothed: float | None
