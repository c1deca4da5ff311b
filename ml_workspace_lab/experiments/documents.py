"""Parameters, tags, properties and summaries of a run: kept twice, to be read and to search."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, cast

import msgspec

from ml_workspace_lab.api.types import Scalar, number_from_wire, number_to_wire
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import MetricSummary, RunDocument
from ml_workspace_lab.experiments.points import Summary
from ml_workspace_lab.storage.database import Queries, Row, Transaction

Kind = Literal["param", "tag", "property"]

AT_ONCE = 500
LARGE = 8192
"""A longer text is not part of the document."""
_INTEGER = "integer"
"""Marks parameters that are whole numbers beyond 64 bits, which MessagePack has no form for."""

# Numbers are read from MessagePack in two thirds of the time that JSON takes.
_decoder = msgspec.msgpack.Decoder(RunDocument)
_encoder = msgspec.msgpack.Encoder()
_FIELDS: dict[str, str] = {"param": "params", "tag": "tags", "property": "properties"}


def read(row: Row) -> RunDocument:
    """The document of a row of the table `run`."""
    return decode(row["doc"])


def write(transaction: Transaction, run: int, document: RunDocument) -> None:
    """Keep it, and mark the run as changed at the newest event: not every change has its own."""
    transaction.execute(
        "UPDATE run SET doc = :doc, changed = (SELECT coalesce(max(id), 0) FROM event)"
        " WHERE id = :run",
        doc=_encoder.encode(document),
        run=run,
    )


def encode(document: RunDocument) -> bytes:
    return _encoder.encode(document)


def decode(doc: bytes) -> RunDocument:
    return _decoder.decode(doc)


def text(value: Scalar) -> str:
    """A parameter's value as text, as it is searched and as MLflow's clients see it."""
    return value if isinstance(value, str) else str(value)


def number(value: Scalar) -> float | None:
    """A parameter's value as a number, where it is or reads as one."""
    if isinstance(value, bool) or value is None:
        return None
    with suppress(ValueError, OverflowError):
        found = float(value)
        return found if math.isfinite(found) else None
    return None


def set_attributes(
    transaction: Transaction,
    run: int,
    document: RunDocument,
    kind: Kind,
    values: Mapping[str, Scalar],
) -> None:
    """Set parameters, tags or properties; `document` is changed, and not yet written."""
    if not values:
        return
    keys = key_ids(transaction, kind, values)
    transaction.many(
        "INSERT INTO attribute (run, key, value, number) VALUES (:run, :key, :value, :number)"
        " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value, number = excluded.number",
        [
            {"run": run, "key": keys[key], "value": text(value), "number": number(value)}
            for key, value in values.items()
        ],
    )
    held: dict[str, Scalar] = getattr(document, _FIELDS[kind])
    for key, value in values.items():
        is_integer = isinstance(value, int) and not -(2**63) <= value < 2**64
        mark = f"{_INTEGER if is_integer else kind}:{key}"
        if mark in document.large:
            document.large.remove(mark)
        if is_integer or (isinstance(value, str) and len(value) > LARGE):
            document.large.append(mark)
            held.pop(key, None)
        else:
            held[key] = value


def check_unchanged(
    field: str, present: Mapping[str, Scalar], wanted: Mapping[str, Scalar]
) -> None:
    """Raise Conflict where a wanted value differs from the present one."""
    for key, value in wanted.items():
        if key in present and text(present[key]) != text(value):
            what = "property" if field == "properties" else "parameter"
            raise Conflict(
                f"The {what} {key!r} is set already and can't be changed.",
                field=f"{field}.{key}",
                hint="Use a tag for what may change.",
            )


def remove_tags(
    transaction: Transaction, run: int, document: RunDocument, keys: Iterable[str]
) -> None:
    for key in keys:
        transaction.execute(
            "DELETE FROM attribute WHERE run = :run"
            " AND key = (SELECT id FROM key WHERE kind = 'tag' AND name = :key)",
            run=run,
            key=key,
        )
        document.tags.pop(key, None)
        if (mark := f"tag:{key}") in document.large:
            document.large.remove(mark)


def attribute_of(mark: str) -> tuple[Kind, str]:
    """Kind and name of an attribute that a document leaves out, from its mark there."""
    kind, _, key = mark.partition(":")
    return ("param" if kind == _INTEGER else cast("Kind", kind)), key


def fill(queries: Queries, run: int, document: RunDocument) -> RunDocument:
    """The document with the long values that it leaves out."""
    for mark in document.large:
        kind, key = attribute_of(mark)
        row = queries.one(
            "SELECT a.value FROM attribute a JOIN key k ON k.id = a.key"
            " WHERE a.run = :run AND k.kind = :kind AND k.name = :key",
            run=run,
            kind=kind,
            key=key,
        )
        if row is not None:
            value = int(row["value"]) if mark.startswith(f"{_INTEGER}:") else row["value"]
            getattr(document, _FIELDS[kind])[key] = value
    return document


def set_summaries(document: RunDocument, summaries: Mapping[str, Summary]) -> None:
    for key, summary in summaries.items():
        document.metrics[key] = shown(summary)


def summary(document: RunDocument, name: str) -> Summary | None:
    """What is known of a metric. Columns of SQLite have no -0.0, documents have."""
    if (known := document.metrics.get(name)) is None:
        return None
    return Summary(
        known.count,
        number_from_wire(known.last),
        known.last_step,
        known.last_time,
        None if known.min is None else number_from_wire(known.min),
        known.min_step,
        None if known.max is None else number_from_wire(known.max),
        known.max_step,
    )


def shown(summary: Summary) -> MetricSummary:
    return MetricSummary(
        summary.count,
        number_to_wire(summary.last),
        summary.last_step,
        summary.last_time,
        None if summary.low is None else number_to_wire(summary.low),
        summary.low_step,
        None if summary.high is None else number_to_wire(summary.high),
        summary.high_step,
    )


def key_ids(transaction: Transaction, kind: str, names: Iterable[str]) -> dict[str, int]:
    """The numbers of names, given to those that have none."""
    wanted = list(names)
    found = _known_ids(transaction, kind, wanted)
    if missing := [name for name in wanted if name not in found]:
        transaction.many(
            "INSERT INTO key (kind, name) VALUES (:kind, :name) ON CONFLICT DO NOTHING",
            [{"kind": kind, "name": name} for name in missing],
        )
        found |= _known_ids(transaction, kind, missing)
    return found


def _known_ids(queries: Queries, kind: str, names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for at in range(0, len(names), AT_ONCE):
        marks: dict[str, Any] = {f"n{i}": name for i, name in enumerate(names[at : at + AT_ONCE])}
        listed = ", ".join(f":{mark}" for mark in marks)
        rows = queries.all(
            f"SELECT id, name FROM key WHERE kind = :kind AND name IN ({listed})",  # noqa: S608
            kind=kind,
            **marks,
        )
        found |= {row["name"]: row["id"] for row in rows}
    return found
