"""What a killed runner on this machine had not told of its program's output, brought to its spool.

That is what it had taken out of the pipe, what its guard found there, and the end of a log that had
no room for it. What was taken at last is in the spool already where a record says so.
"""

import shutil
import tempfile
from pathlib import Path

from ml_workspace_lab.jobs.runner import kept_output
from ml_workspace_lab.jobs.runner import spool as spools
from ml_workspace_lab.jobs.runner.place import Place
from ml_workspace_lab.jobs.runner.spool_log import OUTPUT_AT_ONCE, SpoolLog
from ml_workspace_lab.storage.log_tail import cut_tail, tail_of
from ml_workspace_lab.storage.log_writer import LogState


def bring(place: Place) -> None:
    """Add it to the spool of a runner that is dead, and whose guard has left; once, however often
    this is called."""
    if spools.last_word(place.events).end is not None or spools.has_rest(place.events):
        return
    last = spools.last_number(place.events)
    state, content = kept_output.taken(place) or (LogState(0, record=last), b"")
    with tempfile.TemporaryDirectory(dir=place.path) as folder:
        copy = Path(folder) / place.log.name
        if tail_of(place.log).exists():
            shutil.copyfile(tail_of(place.log), tail_of(copy))
        if spools.has_log(place.events, state.record):
            content = b""
        else:
            if content:
                cut_tail(copy, state.left_out)
            content = state.pending + content
        rest = _Rest()
        log = SpoolLog(copy, rest, state.size)
        if place.left.exists():
            content += place.left.read_bytes()
        for begin in range(0, len(content), OUTPUT_AT_ONCE):
            log.add(content[begin : begin + OUTPUT_AT_ONCE])
        log.finish()
    if rest.bodies:
        spools.add_rest(place.events, last, rest.bodies)


class _Rest:
    """Records that are to be."""

    number = 0

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def write_log(self, content: bytes) -> None:
        self.bodies.append(content)
