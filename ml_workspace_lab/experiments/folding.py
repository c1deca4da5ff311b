"""Moving what journals hold into the store: each record once, whatever dies in between."""

from pathlib import Path

from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.experiments import points, run_store, series_store
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.storage import journal_reader
from ml_workspace_lab.storage.database import Database, Queries, Row, Transaction
from ml_workspace_lab.storage.journal import RECORD, SEGMENT
from ml_workspace_lab.storage.journal_reader import Batch

AT_ONCE = 4 * SEGMENT
"""Records that one transaction takes at most."""


def fold(database: Database, uid: str, folder: Path) -> dict[str, int]:
    """Take all that the run's journals in `folder` hold into the store; how many records of each
    journal are kept there now."""
    return {
        name: _fold_one(database, uid, folder, name) for name in journal_reader.journals(folder)
    }


def _fold_one(database: Database, uid: str, folder: Path, journal: str) -> int:
    row = run_store.row_of(database, uid)
    kept = series_store.mark(database, row["id"], journal)
    while True:
        batch = journal_reader.read(folder, journal, kept, AT_ONCE)
        if not batch.records:
            return kept
        with database.write(durable=False) as transaction:
            kept = take(transaction, uid, journal, batch, after_gap=True, tell=False)


def take(
    transaction: Transaction,
    uid: str,
    journal: str,
    batch: Batch,
    *,
    after_gap: bool,
    tell: bool = True,
) -> int:
    """Take records of a journal into the store, without those that are there; how many of the
    journal's records are kept now.

    A batch that begins after what is kept is not taken, unless its journal no longer has what lies
    between (`after_gap`: the database was put back to an earlier state). `tell` leaves an event;
    who watches a run that goes on sees the journals beside it anyhow.
    """
    run = run_store.row_of(transaction, uid)
    kept = series_store.mark(transaction, run["id"], journal)
    if batch.first > kept and not after_gap:
        return kept
    skipped = max(0, kept - batch.first) * RECORD.size
    records = batch.records[skipped:]
    if not records:
        series_store.set_mark(transaction, run["id"], journal, kept)  # known from now on
        return kept
    by_number = points.by_number(records)
    if max(by_number) >= len(batch.names):
        raise InvalidInput("A record uses a metric whose name is missing.", field="names")
    added = {batch.names[number]: found for number, found in by_number.items()}
    lost = max(0, batch.first - kept)
    unique = journal.startswith("u")
    series_store.extend(transaction, run, added, unique=unique, lost=lost)
    total = batch.first + len(batch.records) // RECORD.size
    series_store.set_mark(transaction, run["id"], journal, total)
    if tell or RunState(run["state"]).is_terminal:
        run_store.touch(transaction, run["id"], "run.metrics", uid)
    return total


def check_takes(queries: Queries, run: Row, journal: str) -> None:
    """Raise Conflict where the run takes no more points of that journal: it has ended, and the
    journal was not there before."""
    if RunState(run["state"]).is_terminal and run["kind"] != "external":
        known = series_store.marks(queries, run["id"])
        if journal not in known:
            raise Conflict(
                f"Run {run['uid']} is {run['state']} and takes no more metrics.",
                hint="Start a new run, or a child of this one.",
            )


def settle(database: Database, uid: str, folder: Path) -> None:
    """At the end of a run: take all of its journals, and make its chunks few. Journals of processes
    that live stay; what they still log is taken later."""
    kept = fold(database, uid, folder)
    with database.write(durable=False) as transaction:
        run = run_store.row_of(transaction, uid)["id"]
        for journal, records in kept.items():
            series_store.set_mark(transaction, run, journal, records)
        series_store.compact(transaction, run)
    for journal in kept:
        if not journal_reader.is_alive(folder, journal):
            journal_reader.remove(folder, journal)
