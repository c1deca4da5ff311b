"""How metrics are kept: chunks of points, a summary of each series, marks of journals."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_workspace_lab.experiments import documents, points, sampling
from ml_workspace_lab.experiments.points import Points, Summary
from ml_workspace_lab.storage import chunks
from ml_workspace_lab.storage.database import Queries, Row, Transaction

LOST = "lost_metric_points"
"""The property that counts points which a run had logged and the store no longer has."""

GROWS = 2048
"""A series' last chunk takes more points while it has fewer than this."""


def extend(
    transaction: Transaction, run: Row, added: Mapping[str, Points], *, unique: bool, lost: int = 0
) -> None:
    """Add points to series of a run, and to what is known of them. `unique` leaves out those that
    the run has already; `lost` records that should be there are counted where users see it."""
    keys = documents.key_ids(transaction, "metric", added)
    fresh: dict[str, Points] = {}
    for name, given in added.items():
        new = _fresh(transaction, run["id"], keys[name], given) if unique else given
        if new is not None:
            fresh[name] = new
    _add_chunks(transaction, run["id"], {keys[name]: found for name, found in fresh.items()})
    document = documents.read(run)
    summaries = {
        name: points.merged(documents.summary(document, name), points.summary(found))
        for name, found in fresh.items()
    }
    _set_summaries(transaction, run["id"], {keys[name]: one for name, one in summaries.items()})
    documents.set_summaries(document, summaries)
    if lost:
        total = lost + int(document.properties.get(LOST, "0"))
        documents.set_attributes(transaction, run["id"], document, "property", {LOST: str(total)})
    documents.write(transaction, run["id"], document)


def add_bodies(transaction: Transaction, run: Row, added: Mapping[str, Sequence[bytes]]) -> None:
    """Add chunks, as they are, of series that the run does not have yet."""
    keys = documents.key_ids(transaction, "metric", added)
    rows: list[dict[str, Any]] = []
    summaries: dict[str, Summary] = {}
    for name, bodies in added.items():
        for body in bodies:
            columns = chunks.decode(body)
            rows += [row | {"body": body} for row in _rows(run["id"], keys[name], columns)]
            summaries[name] = points.merged(summaries.get(name), points.summary(columns))
    _insert(transaction, rows)
    _set_summaries(transaction, run["id"], {keys[name]: one for name, one in summaries.items()})
    document = documents.read(run)
    documents.set_summaries(document, summaries)
    documents.write(transaction, run["id"], document)


def mark(queries: Queries, run: int, journal: str) -> int:
    """How many records of a journal the run has."""
    row = queries.one(
        "SELECT records FROM mark WHERE run = :run AND writer = :writer", run=run, writer=journal
    )
    return int(row["records"]) if row else 0


def marks(queries: Queries, run: int) -> dict[str, int]:
    """How many records of each journal the run has."""
    rows = queries.all("SELECT writer, records FROM mark WHERE run = :run", run=run)
    return {row["writer"]: row["records"] for row in rows}


def set_mark(transaction: Transaction, run: int, journal: str, records: int) -> None:
    transaction.execute(
        "INSERT INTO mark (run, writer, records) VALUES (:run, :writer, :records)"
        " ON CONFLICT (run, writer) DO UPDATE SET records = excluded.records",
        run=run,
        writer=journal,
        records=records,
    )


def key(queries: Queries, name: str) -> int | None:
    row = queries.one("SELECT id FROM key WHERE kind = 'metric' AND name = :name", name=name)
    return int(row["id"]) if row else None


def names(queries: Queries, run: int) -> list[str]:
    rows = queries.all(
        "SELECT k.name FROM series s JOIN key k ON k.id = s.key WHERE s.run = :run", run=run
    )
    return [row["name"] for row in rows]


def bodies(queries: Queries, run: int, key: int) -> list[bytes]:
    """The chunks of a series in order."""
    rows = queries.all(
        "SELECT body FROM chunk WHERE run = :run AND key = :key ORDER BY id", run=run, key=key
    )
    return [row["body"] for row in rows]


def previews(queries: Queries, run: int, key: int) -> list[bytes]:
    """The chunks of a series in order, the long ones reduced to their previews."""
    rows = queries.all(
        "SELECT coalesce(preview, body) AS body FROM chunk"
        " WHERE run = :run AND key = :key ORDER BY id",
        run=run,
        key=key,
    )
    return [row["body"] for row in rows]


def count(queries: Queries, run: int, key: int) -> int:
    """How many points of a series are in chunks."""
    row = queries.one("SELECT count FROM series WHERE run = :run AND key = :key", run=run, key=key)
    return int(row["count"]) if row else 0


def last_step(queries: Queries, run: int, name: str) -> int:
    """The greatest step of a series; -1 where there is none."""
    found = key(queries, name)
    row = queries.one(
        "SELECT last_step FROM series WHERE run = :run AND key = :key", run=run, key=found
    )
    return int(row["last_step"]) if row else -1


def compact(transaction: Transaction, run: int) -> None:
    """Merge the chunks of each series into as few as can be, and pack those that were kept raw."""
    rows = transaction.all(
        "SELECT key FROM chunk WHERE run = :run GROUP BY key"
        " HAVING count(*) > 1 OR (max(count) >= :small AND max(length(body)) >= 24 * max(count))",
        run=run,
        small=chunks.SMALL,
    )
    for row in rows:
        found = [chunks.decode(body) for body in bodies(transaction, run, row["key"])]
        full = [len(columns.steps) == chunks.MAX_POINTS for columns in found[:-1]]
        if full and all(full):
            continue
        transaction.execute(
            "DELETE FROM chunk WHERE run = :run AND key = :key", run=run, key=row["key"]
        )
        packed = points.as_columns(points.joined(found))
        _insert(transaction, list(_rows(run, row["key"], packed)))


def _set_summaries(transaction: Transaction, run: int, found: Mapping[int, Summary]) -> None:
    rows: list[dict[str, Any]] = [
        {
            "run": run,
            "key": key,
            "count": one.count,
            "last": None if math.isnan(one.last) else one.last,
            "last_step": one.last_step,
            "last_time": one.last_time,
            "low": one.low,
            "low_step": one.low_step,
            "high": one.high,
            "high_step": one.high_step,
        }
        for key, one in found.items()
    ]
    if not rows:
        return
    columns = list(rows[0])
    marks = ", ".join(f":{name}" for name in columns)
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns[2:])
    transaction.many(
        f"INSERT INTO series ({', '.join(columns)}) VALUES ({marks})"
        f" ON CONFLICT (run, key) DO UPDATE SET {changed}",
        rows,
    )


def _fresh(transaction: Transaction, run: int, key: int, given: Points) -> Points | None:
    """Those of the points that the series does not have."""
    span = points.span(given)
    rows = transaction.all(
        "SELECT body FROM chunk WHERE run = :run AND key = :key"
        " AND first_time <= :last AND last_time >= :first",
        run=run,
        key=key,
        first=span.first_time,
        last=span.last_time,
    )
    if not rows and len(given[0]) == 1:
        return given
    return points.without_known(given, [chunks.decode(row["body"]) for row in rows])


def _add_chunks(transaction: Transaction, run: int, added: Mapping[int, Points]) -> None:
    """Add points to series by their keys; a last chunk that is short grows by them."""
    last = transaction.all(
        "SELECT c.id, c.key, c.body FROM chunk c"
        " JOIN (SELECT max(id) AS id FROM chunk WHERE run = :run GROUP BY key) l ON l.id = c.id"
        " WHERE c.count < :grows",
        run=run,
        grows=GROWS,
    )
    rows: list[dict[str, Any]] = []
    for row in (row for row in last if row["key"] in added):
        present = chunks.unraw(row["body"]) or chunks.decode(row["body"])
        rows += _rows(run, row["key"], points.joined([present, added[row["key"]]]))
    grown = {row["key"]: row["id"] for row in last if row["key"] in added}
    transaction.many("DELETE FROM chunk WHERE id = :id", [{"id": id_} for id_ in grown.values()])
    for key, found in added.items():
        if key not in grown:
            rows += _rows(run, key, found)
    _insert(transaction, rows)


def _rows(run: int, key: int, added: Points) -> Iterator[dict[str, Any]]:
    """The points of a series as rows of `chunk`."""
    total = len(added[0])
    for begin in range(0, total, chunks.MAX_POINTS):
        part = added
        if total > chunks.MAX_POINTS:
            part = points.as_columns(added).at(slice(begin, begin + chunks.MAX_POINTS))
        count = len(part[0])
        reduced = None
        if count >= sampling.PREVIEWED:
            reduced = sampling.preview(points.as_columns(part))
        yield {
            "run": run,
            "key": key,
            "count": count,
            **points.span(part)._asdict(),
            "preview": chunks.encode(reduced) if reduced else None,
            "body": points.encode(part),
        }


def _insert(transaction: Transaction, rows: list[dict[str, Any]]) -> None:
    if rows:
        columns = list(rows[0])
        transaction.many(
            f"INSERT INTO chunk ({', '.join(columns)})"
            f" VALUES ({', '.join(f':{name}' for name in columns)})",
            rows,
        )
