"""Journals of runs whose workspace is on another machine: kept here until it has them."""

import hashlib
import json
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ml_workspace_lab.pace import Pace
from ml_workspace_lab.storage import journal_reader
from ml_workspace_lab.storage.journal import RECORD, SEGMENT

VARIABLE = "ML_WORKSPACE_SPOOL"
"""Names the folder for journals (default: below XDG_STATE_HOME)."""
_TARGET = "target.json"
_PACE = Pace(SEGMENT * RECORD.size)
"""Of this process's line to its workspace."""


class Taker(Protocol):
    """Who takes records: a connection to the workspace that they are for."""

    @property
    def metrics(self) -> Any: ...


class Left(NamedTuple):
    """Journals that a process left behind when it died."""

    url: str
    run_id: str
    folder: Path


def root() -> Path:
    if wanted := os.environ.get(VARIABLE):
        return Path(wanted)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "ml_workspace_lab" / "spool"


def begin(url: str, run_id: str) -> Path:
    """The folder for this machine's journals of a run of the workspace at `url`."""
    folder = root() / f"{run_id}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / _TARGET
    if not target.exists():
        target.write_text(json.dumps({"url": url, "run_id": run_id}), encoding="utf-8")
    return folder


def announce(taker: Taker, run_id: str, journal: str) -> int:
    """Tell of a journal before anything of it is sent; how many of its records are known."""
    kept: int = taker.metrics.take(run_id, journal, 0, content=BytesIO(b"[]\n")).records
    return kept


def send(taker: Taker, run_id: str, folder: Path, journal: str, kept: int) -> int:
    """Send what a journal holds beyond `kept` records; how many the workspace has then."""
    while True:
        batch = journal_reader.read(folder, journal, kept, _PACE.share // RECORD.size)
        if not batch.records:
            return kept
        content = json.dumps(batch.names).encode() + b"\n" + batch.records
        # A workspace that was put back to an earlier state says how much it has, and is sent again
        # what is still here.
        with _PACE.taking(len(content)):
            mark = taker.metrics.take(
                run_id, journal, batch.first, batch.first > kept, content=BytesIO(content)
            )
        kept = mark.records


def sweep(taker: Taker, run_id: str, folder: Path) -> int:
    """Send and take away the journals of processes that have ended; how many records were sent."""
    sent = 0
    for journal in journal_reader.journals(folder):
        if not journal_reader.is_alive(folder, journal):
            known = announce(taker, run_id, journal)
            sent += send(taker, run_id, folder, journal, known) - known
            journal_reader.remove(folder, journal)
    return sent


def left() -> Iterator[Left]:
    """The journals here whose processes have ended."""
    for target in sorted(root().glob(f"*/{_TARGET}")):
        told = json.loads(target.read_text(encoding="utf-8"))
        folder = target.parent
        alive = (journal_reader.is_alive(folder, name) for name in journal_reader.journals(folder))
        if not any(alive):
            yield Left(told["url"], told["run_id"], folder)


def tidy(folder: Path) -> None:
    """Take away the folder of a run once no journal is left in it."""
    if not journal_reader.journals(folder):
        (folder / _TARGET).unlink(missing_ok=True)
        folder.rmdir()
