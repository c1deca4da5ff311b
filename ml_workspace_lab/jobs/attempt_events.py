"""What a runner tells of its attempt, taken into the workspace: each record once."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import Progress, RunState
from ml_workspace_lab.jobs import attempt_log, attempt_store
from ml_workspace_lab.jobs.ending import AttemptEnd
from ml_workspace_lab.jobs.records import END, LOG, PROGRESS, STATE, Ended, Moved, Record
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.database import Row, Transaction


def take(
    services: Services,
    transaction: Transaction,
    row: Row,
    told: Sequence[Record],
    *,
    after_gap: bool,
) -> int:
    """Take the records that are new; the number of the last one that is here.

    The number is written down in the transaction that has what the records say: a repeat finds it
    there. Records after a gap are taken where the runner has those between no more (`after_gap`).
    """
    kept: int = row["seq"]
    missing = told[0].number - kept - 1
    fresh = [record for record in told if record.number > kept]
    if not fresh or (missing > 0 and not after_gap):
        return kept
    printed = b"".join(record.body for record in fresh if record.kind == LOG)
    if missing > 0:
        printed = b"\n[%d messages of this run are missing here]\n" % missing + printed
    log_size: int = row["log_size"]
    if printed:
        log = services.storage.run(row["uid"]).log
        log_size = attempt_log.append(log, log_size, printed, gap=missing > 0)
    for record in fresh:
        _apply(services, transaction, row, record)
    attempt_store.advance(transaction, row, fresh[-1].number, log_size)
    return fresh[-1].number


def _apply(services: Services, transaction: Transaction, row: Row, record: Record) -> None:
    run_id: str = row["uid"]
    if record.kind == STATE:
        moved = msgspec.json.decode(record.body, type=Moved)
        if row["stage"] == "begun":
            _move(services, transaction, run_id, moved)
    elif record.kind == PROGRESS:
        progress = msgspec.json.decode(record.body, type=Progress)
        services.runs.set_progress(transaction, run_id, progress)
    elif record.kind == END:
        end(services, transaction, row, msgspec.json.decode(record.body, type=Ended))


def end(services: Services, transaction: Transaction, row: Row, how: Ended) -> None:
    """Write down how an attempt ended. Where the run was given up meanwhile, that stays its end."""
    attempt_store.report(transaction, row, how)
    if how.state == "Completed" and row["run_state"] == RunState.PREPARING:
        # There was no room to say that it was running.
        _move(services, transaction, row["uid"], Moved(RunState.RUNNING))
    found = AttemptEnd(RunState(how.state), how.reason, how.cause)
    with suppress(Conflict):
        services.jobs.conclude_in(transaction, row["uid"], row["attempt"], found)


def _move(services: Services, transaction: Transaction, run_id: str, moved: Moved) -> None:
    # What can't follow the present state was overtaken: the run was canceled, or given up, while
    # the word of it was under way.
    with suppress(Conflict):
        services.runs.transition(transaction, run_id, moved.state, moved.reason)
