"""Deleting runs for good: their rows first, then what only they referred to.

What is to go is written down before the rows go, so that a purge that was killed is finished by the
next one: contents that are still referred to, or again, stay.
"""

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.errors import NotFound, StorageFull
from ml_workspace_lab.experiments import run_store
from ml_workspace_lab.experiments import trash_store as store
from ml_workspace_lab.storage import gc
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.storage.freeing import Freed, remove
from ml_workspace_lab.storage.storage import Storage

AT_ONCE = 50
"""Runs that go while others wait to write."""

Refuse = Callable[[str, str], None]
"""Told of what stays, and why."""


class Garbage(Struct):
    """What is to go: folders of runs; snapshots and contents with the moment (ms) from which on
    nobody had a right to count on them."""

    runs: list[str] = field(default_factory=list)
    snapshots: dict[str, int] = field(default_factory=dict)
    contents: dict[str, int] = field(default_factory=dict)


def purge_runs(
    storage: Storage, uids: list[str], before: int, freed: Freed, refuse: Refuse
) -> list[str]:
    """Delete those runs that are in the trash since the moment `before` or longer; their ids."""
    gone: list[str] = []
    for at in range(0, len(uids), AT_ONCE):
        with storage.database.write(frees=True) as transaction:
            rows = list(_purgeable(transaction, uids[at : at + AT_ONCE], before, refuse))
            garbage = _of_runs(storage, transaction, rows)
            note = _write_down(storage, garbage)
            for row in rows:
                store.purge_run(transaction, row)
        _finish(storage, garbage, note, freed)
        gone += garbage.runs
    return gone


def purge_experiment(storage: Storage, experiment: Row, freed: Freed) -> bool:
    """Delete an experiment without runs, and the models that were logged to it; whether it went."""
    with storage.database.write(frees=True) as transaction:
        garbage = Garbage()
        contents = store.contents_beside(transaction, experiment["id"])
        _note(garbage.contents, contents, experiment["deleted"])
        note = _write_down(storage, garbage)
        gone = store.purge_experiment(transaction, experiment)
    _finish(storage, garbage, note, freed)
    return gone


def finish_earlier(storage: Storage, freed: Freed) -> None:
    """Finish what purges that were killed had begun."""
    for note in storage.temporary.glob("purge-*.json"):
        _finish(storage, msgspec.json.decode(note.read_bytes(), type=Garbage), note, freed)


def _purgeable(queries: Queries, uids: Iterable[str], before: int, refuse: Refuse) -> Iterable[Row]:
    for uid in uids:
        try:
            row = run_store.row_of(queries, uid)
        except NotFound as error:
            refuse(uid, error.message)
            continue
        if row["deleted"] is None:
            refuse(uid, "It is not in the trash.")
        elif row["deleted"] > before:
            refuse(uid, "It is not in the trash for so long.")
        elif reason := store.needed(queries, uid):
            refuse(uid, reason)
        else:
            yield row


def _of_runs(storage: Storage, queries: Queries, rows: Iterable[Row]) -> Garbage:
    found = Garbage()
    for row in rows:
        found.runs.append(row["uid"])
        contents = store.contents(queries, row)
        if row["snapshot"] is not None:
            _note(found.snapshots, [row["snapshot"]], row["deleted"])
            contents += [row["snapshot"], *gc.tree(storage, row["snapshot"])]
            contents += storage.blobs.lists.parts(row["snapshot"]) or []
        _note(found.contents, contents, row["deleted"])
    return found


def _note(moments: dict[str, int], digests: Iterable[str], moment: int) -> None:
    for digest in digests:
        moments[digest] = max(moment, moments.get(digest, 0))


def _write_down(storage: Storage, garbage: Garbage) -> Path:
    note = storage.temporary / f"purge-{secrets.token_hex(8)}.json"
    # On a full disk what a killed purge leaves behind is left to the collection of garbage.
    with suppress(StorageFull):
        write_atomic(note, msgspec.json.encode(garbage), durable=True)
    return note


def _finish(storage: Storage, garbage: Garbage, note: Path, freed: Freed) -> None:
    gc.remove_snapshots(storage, garbage.snapshots)
    gc.remove_blobs(storage, garbage.contents, freed)
    for uid in garbage.runs:
        aside = storage.temporary / f"purged-{uid}"
        with storage.database.write(durable=False, frees=True) as transaction:
            if not _is_there(transaction, uid):
                with suppress(FileNotFoundError):
                    storage.run(uid).path.rename(aside)
        remove(aside, freed)
    note.unlink(missing_ok=True)


def _is_there(transaction: Transaction, uid: str) -> bool:
    return transaction.one("SELECT 1 AS one FROM run WHERE uid = :uid", uid=uid) is not None


def moment_before(days: float) -> int:
    """The moment (ms) so many days ago."""
    return now() - int(days * 86_400_000)
