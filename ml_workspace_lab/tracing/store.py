"""How traces and their spans are kept."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.storage.marks import marks_of
from ml_workspace_lab.tracing.model import Assessment, Span, TraceInfo

TRACES = (
    "SELECT x.*, e.name AS experiment_name FROM trace x JOIN experiment e ON e.id = x.experiment"
)
AT_ONCE = 500


def find(queries: Queries, trace_id: str) -> Row | None:
    return queries.one(f"{TRACES} WHERE x.uid = :uid", uid=trace_id)


def row_of(queries: Queries, trace_id: str) -> Row:
    row = find(queries, trace_id)
    if row is None or row["started"] < 0:
        raise NotFound(f"Trace with ID '{trace_id}' not found.", field="trace_id")
    return row


def experiments(queries: Queries, names: Sequence[str]) -> list[int]:
    """The row ids of the experiments of these names that there are."""
    found = (
        queries.one("SELECT id FROM experiment WHERE name = :name", name=name) for name in names
    )
    return [row["id"] for row in found if row is not None]


def insert(transaction: Transaction, uid: str, experiment: int, **columns: Any) -> int:
    """Add a trace; its row id. `columns` are the caller's own words."""
    trace = transaction.add("trace", uid=uid, experiment=experiment, **columns)
    transaction.event("trace.created", uid)
    return trace


def expect(transaction: Transaction, uid: str, run: str) -> None:
    """Make room for a trace that a run says it is linked to and that has not come yet: nobody sees
    it until it does."""
    row = transaction.one("SELECT experiment FROM run WHERE uid = :run", run=run)
    assert row is not None
    transaction.add(
        "trace",
        uid=uid,
        experiment=row["experiment"],
        created=now(),
        state="STATE_UNSPECIFIED",
        started=-1,
    )


def change(transaction: Transaction, trace: int, **columns: Any) -> None:
    """Set columns of a trace. Their names are the caller's own words."""
    settings = ", ".join(f"{name} = :{name}" for name in columns)
    transaction.execute(f"UPDATE trace SET {settings} WHERE id = :id", **columns, id=trace)


def set_pairs(transaction: Transaction, trace: int, kind: str, values: Mapping[str, str]) -> None:
    """Set tags or metadata."""
    transaction.many(
        "INSERT INTO trace_pair (trace, kind, key, value) VALUES (:trace, :kind, :key, :value)"
        " ON CONFLICT (trace, kind, key) DO UPDATE SET value = excluded.value",
        [{"trace": trace, "kind": kind, "key": k, "value": v} for k, v in values.items()],
    )


def remove_tags(transaction: Transaction, trace: int, keys: Iterable[str]) -> None:
    transaction.many(
        "DELETE FROM trace_pair WHERE trace = :trace AND kind = 'tag' AND key = :key",
        [{"trace": trace, "key": key} for key in keys],
    )


def link(transaction: Transaction, trace: int, runs: Iterable[str]) -> None:
    transaction.many(
        "INSERT INTO trace_run (trace, run) VALUES (:trace, :run) ON CONFLICT DO NOTHING",
        [{"trace": trace, "run": run} for run in runs],
    )


def put_spans(transaction: Transaction, trace: int, spans: Sequence[Span]) -> None:
    """Add spans; one that is there is replaced by what is newer of it."""
    transaction.many(
        "INSERT INTO trace_span (trace, uid, parent, name, type, status, started, ended, body)"
        " VALUES (:trace, :uid, :parent, :name, :type, :status, :started, :ended, :body)"
        " ON CONFLICT (trace, uid) DO UPDATE SET parent = excluded.parent, name = excluded.name,"
        " type = excluded.type, status = excluded.status, started = excluded.started,"
        " ended = excluded.ended, body = excluded.body",
        [
            {
                "trace": trace,
                "uid": span.span_id,
                "parent": span.parent_id,
                "name": span.name,
                "type": span.type,
                "status": span.status,
                "started": span.started,
                "ended": span.ended,
                "body": span.body,
            }
            for span in spans
        ],
    )


def spans(queries: Queries, trace: int) -> list[str]:
    rows = queries.all(
        "SELECT body FROM trace_span WHERE trace = :trace ORDER BY started, uid", trace=trace
    )
    return [row["body"] for row in rows]


def whole_spans(queries: Queries, trace: int, trace_id: str) -> list[Span]:
    """The spans of a trace, the first that began first."""
    rows = queries.all(
        "SELECT * FROM trace_span WHERE trace = :trace ORDER BY started, uid", trace=trace
    )
    return [
        Span(
            trace_id=trace_id,
            span_id=row["uid"],
            parent_id=row["parent"],
            **{name: row[name] for name in ("name", "type", "status", "started", "ended", "body")},
        )
        for row in rows
    ]


def delete(transaction: Transaction, traces: Sequence[Row]) -> None:
    transaction.many("DELETE FROM trace WHERE id = :id", [{"id": row["id"]} for row in traces])
    for row in traces:
        transaction.event("trace.deleted", row["uid"])


def put_file(
    transaction: Transaction, trace: int, path: str, digest: str, size: int, created: int
) -> None:
    transaction.execute(
        "INSERT INTO trace_file (trace, path, digest, size, created)"
        " VALUES (:trace, :path, :digest, :size, :created) ON CONFLICT (trace, path) DO UPDATE"
        " SET digest = excluded.digest, size = excluded.size, created = excluded.created",
        trace=trace,
        path=path,
        digest=digest,
        size=size,
        created=created,
    )


def files(queries: Queries, trace: int) -> list[Row]:
    return queries.all("SELECT * FROM trace_file WHERE trace = :trace ORDER BY path", trace=trace)


def infos(queries: Queries, rows: Sequence[Row]) -> list[TraceInfo]:
    """The traces of rows that `TRACES` selects."""
    found: list[TraceInfo] = []
    for at in range(0, len(rows), AT_ONCE):
        found += _infos(queries, rows[at : at + AT_ONCE])
    return found


def _infos(queries: Queries, rows: Sequence[Row]) -> list[TraceInfo]:
    if not rows:
        return []
    marks, named = marks_of(row["id"] for row in rows)
    which = f"trace IN ({marks})"
    pairs: dict[tuple[int, str], dict[str, str]] = {}
    for pair in queries.all(f"SELECT * FROM trace_pair WHERE {which} ORDER BY key", **named):
        pairs.setdefault((pair["trace"], pair["kind"]), {})[pair["key"]] = pair["value"]
    runs: dict[int, list[str]] = {}
    for row in queries.all(f"SELECT * FROM trace_run WHERE {which} ORDER BY run", **named):
        runs.setdefault(row["trace"], []).append(row["run"])
    thoughts: dict[int, list[Assessment]] = {}
    uids = {row["id"]: row["uid"] for row in rows}
    for row in queries.all(f"SELECT * FROM assessment WHERE {which} ORDER BY id", **named):
        thoughts.setdefault(row["trace"], []).append(assessment(row, uids[row["trace"]]))
    return [
        TraceInfo(
            trace_id=row["uid"],
            experiment=row["experiment_name"],
            experiment_number=row["experiment"],
            created=row["created"],
            duration_ms=row["duration"],
            state=row["state"],
            client_request_id=row["client_request_id"],
            request_preview=row["request_preview"],
            response_preview=row["response_preview"],
            tags=pairs.get((row["id"], "tag"), {}),
            metadata=pairs.get((row["id"], "metadata"), {}),
            runs=runs.get(row["id"], []),
            assessments=thoughts.get(row["id"], []),
        )
        for row in rows
    ]


def assessment(row: Row, trace_id: str) -> Assessment:
    """The assessment of a row of that table."""
    return Assessment(
        assessment_id=row["uid"],
        trace_id=trace_id,
        kind=row["kind"],
        name=row["name"],
        valid=bool(row["valid"]),
        created=row["created"],
        updated=row["updated"],
        **json.loads(row["body_json"]),
    )
