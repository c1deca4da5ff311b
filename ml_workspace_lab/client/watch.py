"""Waiting for a run, its log passing by."""

import sys
import time
from typing import IO, TYPE_CHECKING

from ml_workspace_lab.experiments.model import RunInfo

if TYPE_CHECKING:
    from ml_workspace_lab.client.run import Run

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.5


def follow(
    run: "Run", *, show_output: bool, seconds: float | None, stream: IO[str] | None = None
) -> RunInfo:
    """The record of the run at its end; with `show_output` all of its log has been printed."""
    until = None if seconds is None else time.monotonic() + seconds
    stream = stream or sys.stdout
    pause, offset, state = FIRST_PAUSE, 0, None
    while True:
        info = run.info()
        grown = False
        if show_output:
            before, offset = offset, _print_log(run, offset, stream)
            grown = offset > before
            if info.state != state:
                state = info.state
                print(f"[{state}] {info.reason}".rstrip(), file=stream, flush=True)
        if info.state.is_terminal:
            return info
        if until is not None and time.monotonic() > until:
            raise TimeoutError(f"Run {run.id} is still {info.state} after {seconds:g} s.")
        pause = FIRST_PAUSE if grown else min(pause * 1.5, LONGEST_PAUSE)
        time.sleep(pause)


def _print_log(run: "Run", offset: int, stream: IO[str]) -> int:
    """Print what the log has from `offset` on; where it ends now."""
    while True:
        part = run.workspace.connection.artifacts.log(run.id, offset)
        if part.text:
            stream.write(part.text)
            stream.flush()
        if part.next >= part.size or part.next == offset:
            return part.next
        offset = part.next
