"""How attempts are kept: who has claimed one, how far its events have come, how it ended."""

from ml_workspace_lab.errors import Gone
from ml_workspace_lab.jobs.attempt_model import AttemptInfo, ClaimAttempt
from ml_workspace_lab.jobs.records import Ended
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now, without_nul

_ROW = (
    "SELECT a.*, r.uid, r.ended, r.state AS run_state, r.reason AS run_reason, j.attempt AS latest,"
    " j.stage, j.cancel_requested"
    " FROM run r JOIN job j ON j.run = r.id"
    " LEFT JOIN attempt a ON a.run = r.id AND a.attempt = :attempt WHERE r.uid = :uid"
)


def find(queries: Queries, run_id: str, attempt: int) -> Row | None:
    """The attempt with its run and its job; its own columns are None before it is claimed. None
    where there is no job of the run."""
    return queries.one(_ROW, uid=run_id, attempt=attempt)


def current(queries: Queries, run_id: str, attempt: int) -> Row:
    """The claimed attempt that the job is at. Raises Gone for any other."""
    row = find(queries, run_id, attempt)
    if row is None or row["latest"] != attempt or row["claimed"] is None:
        raise superseded(run_id, attempt)
    return row


def superseded(run_id: str, attempt: int) -> Gone:
    return Gone(
        f"Attempt {attempt} at run {run_id} is over: nothing more is taken from it.",
        field="attempt",
    )


def insert(
    transaction: Transaction, run_id: str, attempt: int, body: ClaimAttempt, log_size: int
) -> None:
    run = transaction.one("SELECT id FROM run WHERE uid = :uid", uid=run_id)
    assert run is not None
    transaction.insert(
        "attempt",
        run=run["id"],
        attempt=attempt,
        nonce=body.nonce,
        native_id=body.native_id,
        host=body.host,
        version=body.version,
        claimed=now(),
        log_size=log_size,
    )


def advance(transaction: Transaction, row: Row, number: int, log_size: int) -> None:
    """Its events are here up to `number`."""
    transaction.execute(
        "UPDATE attempt SET seq = :seq, log_size = :log_size"
        " WHERE run = :run AND attempt = :attempt",
        seq=number,
        log_size=log_size,
        run=row["run"],
        attempt=row["attempt"],
    )


def report(transaction: Transaction, row: Row, end: Ended) -> None:
    """How it ended, in its own words; a repeat changes nothing."""
    transaction.execute(
        "UPDATE attempt SET reported = :reported, state = :state, reason = :reason,"
        " exit_code = :exit_code, signal = :signal, peak_rss = :peak_rss, oom_kills = :oom_kills,"
        " dropped_lines = :dropped_lines, dropped_bytes = :dropped_bytes"
        " WHERE run = :run AND attempt = :attempt AND reported IS NULL",
        reported=now(),
        state=end.state,
        reason=without_nul(end.reason),
        exit_code=end.exit_code,
        signal=end.signal,
        peak_rss=end.peak_rss,
        oom_kills=end.oom_kills,
        dropped_lines=end.dropped_lines,
        dropped_bytes=end.dropped_bytes,
        run=row["run"],
        attempt=row["attempt"],
    )


def attempts(queries: Queries, run_id: str) -> list[AttemptInfo]:
    rows = queries.all(
        "SELECT a.* FROM attempt a JOIN run r ON r.id = a.run WHERE r.uid = :uid ORDER BY attempt",
        uid=run_id,
    )
    names = AttemptInfo.__struct_fields__
    return [AttemptInfo(**{name: row[name] for name in names}) for row in rows]
