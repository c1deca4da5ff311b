"""Figures over traces: counts, sums, means, extremes and percentiles, in parts and over time."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.sql import Bindings, Dialect, dialect
from ml_workspace_lab.storage.database import Database, Row
from ml_workspace_lab.tracing.figures_model import AskFigures, Figure, FigureList
from ml_workspace_lab.tracing.measured import views
from ml_workspace_lab.tracing.search import among, matching

T = TypeVar("T")

_COUNT = "count"


class Part(Struct, frozen=True):
    """What the rows are parted by: the name of its column, and what it is called in answers."""

    column: str
    name: str


def ask(database: Database, asked: AskFigures) -> FigureList:
    """One page of figures. Raises InvalidInput at what is not measured."""
    way, bindings = dialect(database), Bindings()
    view = views(way)[asked.of]
    figure = _one_of("figure", asked.figure, view.figures)
    if figure.is_counted != (set(asked.aggregations) == {_COUNT}):
        meant = "counted" if figure.is_counted else "measured, and so is not counted"
        raise InvalidInput(
            f"aggregations: {asked.figure} is {meant}.",
            field="aggregations",
            hint="Ask for count of what is counted, and for sum, avg, min, max or p95 of the rest.",
        )
    parts = [Part(f"d{at}", name) for at, name in enumerate(asked.by)]
    columns = [f"{_one_of('by', one.name, view.by)} AS {one.column}" for one in parts]
    if asked.every is not None:
        columns.insert(0, f"{_bucket(view.time, asked.every * 1000)} AS bucket")
    columns.append(f"{figure.sql} AS value")
    said = [among(database, bindings, asked.experiments), matching(way, bindings, asked.filter)]
    said += [
        f"{_one_of('where', name, view.where)} = {bindings.mark(value)}"
        for name, value in asked.where.items()
    ]
    for sign, moment in ((">=", asked.since), ("<=", asked.until)):
        if moment is not None:
            said.append(f"{view.time} {sign} {bindings.mark(moment)}")
    inner = f"SELECT {', '.join(columns)} FROM {view.rows} WHERE {' AND '.join(said)}"  # noqa: S608
    keys = (["bucket"] if asked.every is not None else []) + [one.column for one in parts]
    question = msgspec.structs.replace(asked, after=None, limit=1)
    start = 0
    if asked.after is not None:
        (start,) = records.from_token(asked.after, question, "after")  # type: ignore[assignment]
    sql = _aggregated(way, inner, keys, asked.aggregations, distinct=figure.is_distinct)
    page = f"LIMIT {bindings.mark(asked.limit + 1)} OFFSET {bindings.mark(start)}"
    with in_time(database) as queries:
        rows = queries.all(f"{sql} {page}", **bindings.values)
    following = None
    if len(rows) > asked.limit:
        following = records.to_token([start + asked.limit], question)
    found = [_figure(row, parts, asked) for row in rows[: asked.limit]]
    return FigureList([one for one in found if one.values], following)


def _aggregated(
    way: Dialect, inner: str, keys: Sequence[str], aggregations: Sequence[str], *, distinct: bool
) -> str:
    """The statement that makes one row of each part. Rows without a value or a key count nowhere.

    A percentile lies between the two rows whose places in the order are nearest to it, as near to
    each as its place is: each row's weight is one less its distance, and none beyond one.
    """
    there = " AND ".join(f"{name} IS NOT NULL" for name in (*keys, "value"))
    rows = f"SELECT * FROM ({inner}) v WHERE {there}"  # noqa: S608
    if any(one.startswith("p") for one in aggregations):
        within = f"PARTITION BY {', '.join(keys)}" if keys else ""
        rows = (
            f"SELECT v.*, row_number() OVER ({within} ORDER BY value) - 1 AS place,"  # noqa: S608
            f" count(*) OVER ({within}) - 1 AS last FROM ({inner}) v WHERE {there}"
        )
    texts = [f"{way.bytewise(name)}" if name != "bucket" else name for name in keys]
    shown_keys = [f"{text} AS {name}" for text, name in zip(texts, keys, strict=True)]
    values = [
        f"{_aggregate(one, distinct=distinct)} AS a{at}" for at, one in enumerate(aggregations)
    ]
    grouped = f" GROUP BY {', '.join(keys)} ORDER BY {', '.join(texts)}" if keys else ""
    return f"SELECT {', '.join([*shown_keys, *values])} FROM ({rows}) r{grouped}"  # noqa: S608


def _aggregate(word: str, *, distinct: bool) -> str:
    if word == _COUNT:
        return f"count({'DISTINCT ' if distinct else ''}value)"
    if not word.startswith("p"):
        return f"{word}(value)"
    place = f"abs(place - last * {float(word[1:]) / 100!r})"
    return f"sum(value * CASE WHEN {place} < 1 THEN 1 - {place} ELSE 0 END)"


def _bucket(time: str, milliseconds: int) -> str:
    """When the span of time begins that a moment lies in, also before 1970."""
    size = str(milliseconds)
    return f"({time} - (({time} % {size}) + {size}) % {size})"


def _figure(row: Row, parts: Sequence[Part], asked: AskFigures) -> Figure:
    values = {word: row[f"a{at}"] for at, word in enumerate(asked.aggregations)}
    return Figure(
        by={one.name: str(row[one.column]) for one in parts},
        values={word: float(value) for word, value in values.items() if value is not None},
        time=None if asked.every is None else int(row["bucket"]),
    )


def _one_of(field: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise InvalidInput(
            f"{field}: {shown(name)} is none of {', '.join(known)}.",
            field=field,
            hint="What there is differs between traces, spans and assessments.",
        )
    return known[name]
