"""From schema 1 to schema 2: what runs logged comes out of files and tables of text into chunks,
attributes and each run's document."""

import json
import math
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ml_workspace_lab.storage import chunks
from ml_workspace_lab.storage.database import Row, Transaction
from ml_workspace_lab.storage.migrations import journals_1
from ml_workspace_lab.storage.migrations.journals_1 import Columns

_KINDS = {"param": "params", "tag": "tags", "property": "properties"}
_LARGE = 8192
"""Longer texts are not part of the document."""
_FEW = 512
"""Up to so many points a chunk is made without numpy."""


@dataclass(frozen=True)
class _Summary:
    """A metric at a glance, as `series` keeps it."""

    count: int
    last: float
    last_step: int
    last_time: int
    low: float | None
    low_step: int | None
    high: float | None
    high_step: int | None


def fill(transaction: Transaction, folder: Path) -> None:
    """Fill the new tables and columns from the old tables, and from the journals in `folder`."""
    transaction.execute(
        "UPDATE experiment SET live ="
        " (SELECT count(*) FROM run WHERE run.experiment = experiment.id)"
    )
    events = transaction.all("SELECT subject, max(id) AS last FROM event GROUP BY subject")
    changed = {row["subject"]: row["last"] for row in events}
    keys: dict[tuple[str, str], int] = {}
    for run in transaction.all("SELECT id, uid, created, ended FROM run ORDER BY id"):
        document = _attributes(transaction, run["id"], keys)
        document["metrics"] = _metrics(transaction, run, folder, keys)
        transaction.execute(
            "UPDATE run SET doc = :doc, changed = :changed WHERE id = :run",
            doc=json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(),
            changed=changed.get(run["uid"], 0),
            run=run["id"],
        )
    for table in (*_KINDS, "v1_series"):
        transaction.execute(f"DROP TABLE {table}")


def _key(transaction: Transaction, keys: dict[tuple[str, str], int], kind: str, name: str) -> int:
    if (kind, name) not in keys:
        keys[kind, name] = transaction.add("key", kind=kind, name=name)
    return keys[kind, name]


def _attributes(
    transaction: Transaction, run: int, keys: dict[tuple[str, str], int]
) -> dict[str, Any]:
    """Parameters, tags and properties into the one table of them; the run's document."""
    document: dict[str, Any] = {field: {} for field in (*_KINDS.values(), "metrics")}
    document["large"] = []
    for kind, field in _KINDS.items():
        rows = transaction.all(f"SELECT * FROM {kind} WHERE run = :run ORDER BY key", run=run)  # noqa: S608
        for row in rows:
            value = json.loads(row["value"]) if kind == "param" else row["value"]
            transaction.insert(
                "attribute",
                run=run,
                key=_key(transaction, keys, kind, row["key"]),
                value=value if isinstance(value, str) else str(value),
                number=_number(value),
            )
            if isinstance(value, str) and len(value) > _LARGE:
                document["large"].append(f"{kind}:{row['key']}")
            else:
                document[field][row["key"]] = value
    return document


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    with suppress(ValueError, OverflowError):
        found = float(value)
        return found if math.isfinite(found) else None
    return None


def _metrics(
    transaction: Transaction, run: Row, folder: Path, keys: dict[tuple[str, str], int]
) -> dict[str, dict[str, Any]]:
    """Journals into chunks and series; what the document says of each metric."""
    found = journals_1.read(folder / "runs" / run["uid"] / "metrics")
    summaries = {name: _summary(columns) for name, columns in found.items()}
    rows = transaction.all("SELECT * FROM v1_series WHERE run = :run", run=run["id"])
    # The journals may have been lost; what was summed up of them is kept all the same.
    told = {row["key"]: _told(row, run) for row in rows}
    metrics: dict[str, dict[str, Any]] = {}
    for name, summary in sorted({**told, **summaries}.items()):
        key = _key(transaction, keys, "metric", name)
        _add_series(transaction, run["id"], key, summary)
        if name in found:
            _add_chunks(transaction, run["id"], key, found[name])
        metrics[name] = _shown(summary)
    return metrics


def _told(row: Row, run: Row) -> _Summary:
    said = json.loads(row["summary_json"])
    low, high = (None if said[name] is None else float(said[name]) for name in ("min", "max"))
    time = run["created"] if run["ended"] is None else run["ended"]
    return _Summary(
        said["count"], float(said["last"]), said["last_step"], time, low, None, high, None
    )


def _summary(columns: Columns) -> _Summary:
    """`last` is that of the greatest step, then time, then value; NaN is less than any number."""
    rows = list(zip(*columns, strict=True))
    last_step, last_time, last = max(rows, key=lambda row: (row[0], row[1], _rank(row[2])))
    numbers = [(value, step) for step, _, value in rows if not math.isnan(value)]
    low, low_step = min(numbers, key=lambda pair: pair[0], default=(None, None))
    high, high_step = max(numbers, key=lambda pair: pair[0], default=(None, None))
    return _Summary(len(rows), last, last_step, last_time, low, low_step, high, high_step)


def _rank(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _add_series(transaction: Transaction, run: int, key: int, summary: _Summary) -> None:
    last = None if math.isnan(summary.last) else summary.last
    transaction.insert("series", run=run, key=key, **{**asdict(summary), "last": last})


def _add_chunks(transaction: Transaction, run: int, key: int, columns: Columns) -> None:
    for begin in range(0, len(columns[0]), chunks.MAX_POINTS):
        steps, times, values = (column[begin : begin + chunks.MAX_POINTS] for column in columns)
        add = partial(transaction.insert, "chunk", run=run, key=key, count=len(steps))
        add(
            first_time=min(times),
            last_time=max(times),
            first_step=min(steps),
            last_step=max(steps),
            preview=None,
            body=_encoded(steps, times, values),
        )


def _encoded(steps: "Any", times: "Any", values: "Any") -> bytes:
    if len(steps) <= _FEW:
        return chunks.raw(steps, times, values)
    import numpy as np

    return chunks.encode(chunks.Columns(*(np.asarray(column) for column in (steps, times, values))))


def _shown(summary: _Summary) -> dict[str, Any]:
    return {
        "count": summary.count,
        "last": _wire(summary.last),
        "last_step": summary.last_step,
        "last_time": summary.last_time,
        "min": _wire(summary.low),
        "min_step": summary.low_step,
        "max": _wire(summary.high),
        "max_step": summary.high_step,
    }


def _wire(value: float | None) -> float | str | None:
    """A number as JSON can carry it."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
