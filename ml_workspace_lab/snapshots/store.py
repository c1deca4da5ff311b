"""How snapshots are kept: a row for each; their lists of files and their contents are blobs."""

import json
from collections.abc import Mapping
from typing import Any

from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.snapshots.model import SnapshotSummary, SnapshotUse
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now


def add(transaction: Transaction, digest: str, size: int, notices: Mapping[str, Any]) -> None:
    transaction.execute(
        "INSERT INTO snapshot (digest, size, notices_json, created)"
        " VALUES (:digest, :size, :notices, :now) ON CONFLICT (digest) DO NOTHING",
        digest=digest,
        size=size,
        notices=json.dumps(notices),
        now=now(),
    )


def row(queries: Queries, digest: str) -> Row:
    found = queries.one("SELECT * FROM snapshot WHERE digest = :digest", digest=digest)
    if found is None:
        raise no_snapshot(digest)
    return found


def no_snapshot(digest: str) -> NotFound:
    return NotFound(f"There is no snapshot {digest}.", field="snapshot_id")


def page(queries: Queries, after: str | None, limit: int) -> list[SnapshotSummary]:
    """Snapshots, the newest first, from the place `after` on."""
    created, digest = _place(after)
    rows = queries.all(
        "SELECT digest, created, size,"
        " (SELECT count(*) FROM run WHERE run.snapshot = snapshot.digest) AS runs FROM snapshot"
        " WHERE created < :created OR (created = :created AND digest < :digest)"
        " ORDER BY created DESC, digest DESC LIMIT :limit",
        created=created,
        digest=digest,
        limit=limit,
    )
    return [SnapshotSummary(r["digest"], r["created"], r["size"], r["runs"]) for r in rows]


def _place(after: str | None) -> tuple[int, str]:
    if after is None:
        return 2**62, ""
    created, _, digest = after.partition("-")
    if not created.isdecimal() or not created.isascii() or len(created) > 18:
        raise InvalidInput("after: is not the `next` of a page.", field="after")
    return int(created), digest


def uses(queries: Queries, digest: str) -> list[SnapshotUse]:
    """The runs and versions of models that have the snapshot."""
    runs = queries.all(
        "SELECT r.uid, e.name, r.created FROM run r JOIN experiment e ON e.id = r.experiment"
        " WHERE r.snapshot = :digest",
        digest=digest,
    )
    versions = queries.all(
        "SELECT m.name, v.version, v.created FROM model_version v JOIN model m ON m.id = v.model"
        " WHERE v.snapshot = :digest",
        digest=digest,
    )
    found = [SnapshotUse("run", r["uid"], r["name"], r["created"]) for r in runs]
    found += [
        SnapshotUse("model", f"{v['name']}:{v['version']}", None, v["created"]) for v in versions
    ]
    return sorted(found, key=lambda use: use.created, reverse=True)
