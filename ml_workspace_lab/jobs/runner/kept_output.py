"""A program's output on its way to the log, kept at each step where its reader is killed.

It comes through a pipe that has a name, so that whoever adopts the run finds what is still in it.
The kernel moves it from there into a file (`splice`: each byte is in the one or in the other), and
from that file it is written to the log. The file begins with how long the log was before; cutting
the rest of it off is what says that the log has it. At the end of the output the file goes.
"""

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ml_workspace_lab.jobs.runner.log_file import LogFile
from ml_workspace_lab.storage.log_index import cut
from ml_workspace_lab.storage.log_tail import cut_tail, tail_of
from ml_workspace_lab.storage.log_writer import LogState
from ml_workspace_lab.storage.storage import RunFolder

AT_ONCE = 256 * 1024
_STATE = struct.Struct("<QI")
_MORE = struct.Struct("<QQ")
_HEAD = 4096
_LONGEST = _HEAD - _STATE.size - _MORE.size


class Log(Protocol):
    """What the output is written to."""

    @property
    def state(self) -> LogState: ...


class KeptOutput:
    """The output of one run's program. Where the folder's disk has no room or knows no such pipes,
    it is an output as any other."""

    def __init__(self, files: RunFolder, log: Log, at_once: int = AT_ONCE) -> None:
        self._files = files
        self._log = log
        self._at_once = at_once
        self._file = os.open(files.taken, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._is_noted = False

    def open(self) -> tuple[int, int]:
        """The pipe's exit and its entrance. Who has the entrance has an exit, too: what a program
        has printed is there for as long as the program or anybody else is."""
        try:
            leave = reader(self._files)
        except OSError:
            return os.pipe()
        os.set_blocking(leave, True)
        return leave, os.open(self._files.output, os.O_RDWR | os.O_CLOEXEC)

    def pass_on(
        self,
        pipe: int,
        write: Callable[[bytes], None],
        rest: Callable[[], None] | None = None,
    ) -> None:
        """Give what comes to `write`, which adds it to the log, until the pipe's end (or until it
        is empty, where reading from it does not wait); `rest` is called when little came."""
        self._settle()
        with suppress(BlockingIOError):
            while content := self._take(pipe):
                write(content)
                self._settle()
                if rest is not None and len(content) < self._at_once:
                    rest()
        self._files.taken.unlink(missing_ok=True)
        os.close(self._file)

    def _take(self, pipe: int) -> bytes:
        if self._is_noted:
            try:
                size = os.splice(pipe, self._file, self._at_once, offset_dst=_HEAD)
                return os.pread(self._file, size, _HEAD)
            except BlockingIOError:
                raise
            except (AttributeError, OSError):
                pass  # a system that has no splice; a disk that has no room
        return os.read(pipe, self._at_once)

    def _settle(self) -> None:
        """The log has all that was taken: forget that, and note how long the log is now."""
        note = _packed(self._log.state)
        self._is_noted = False
        with suppress(OSError):
            os.ftruncate(self._file, min(_HEAD, os.fstat(self._file).st_size))
            self._is_noted = os.pwrite(self._file, note, 0) == _HEAD


def reader(files: RunFolder) -> int:
    """The exit of a run's pipe, which is made where it isn't there; reading from it does not wait.
    Raises OSError."""
    with suppress(FileExistsError):
        os.mkfifo(files.output, 0o600)
    return os.open(files.output, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def rescue(files: RunFolder, pipe: int) -> None:
    """Bring what the program of a killed runner has printed into its log, each byte once. `pipe` is
    what `reader` gave. Where this is killed, too, the next call goes on."""
    if not files.taken.exists() and not tail_of(files.log).exists():
        return
    unsettled = _without_unsettled(files)
    log = LogFile(files.log)
    log.write(unsettled)
    if files.taken.exists():
        KeptOutput(files, log).pass_on(pipe, log.write)
    log.close()


def taken(files: RunFolder) -> tuple[LogState, bytes] | None:
    """How far the log had come, and what was taken since then and may not be in it; None where
    nobody has noted that."""
    try:
        note = files.taken.read_bytes()
    except FileNotFoundError:
        return None
    if len(note) < _HEAD:
        return None
    size, length = _STATE.unpack_from(note)
    left_out, record = _MORE.unpack_from(note, _HEAD - _MORE.size)
    pending = note[_STATE.size : _STATE.size + length]
    return LogState(size, pending, left_out, record), note[_HEAD:]


def _packed(state: LogState) -> bytes:
    pending = state.pending if len(state.pending) <= _LONGEST else b""
    note = _STATE.pack(state.size, len(pending)) + pending
    return note.ljust(_HEAD - _MORE.size, b"\0") + _MORE.pack(state.left_out, state.record)


def _without_unsettled(files: RunFolder) -> bytes:
    """Cut from the log what it may have of the bytes that were taken last: those, and what goes
    before them."""
    there = files.log.stat().st_size if files.log.exists() else 0
    noted = taken(files)
    if noted is None:
        return b""
    state, content = noted
    if content:
        cut_tail(files.log, state.left_out)
    if content and state.size < there:
        cut(files.log, state.size)
    # A note that is older than the log's last line says nothing of what goes on there.
    return state.pending + content if content or state.size == there else b""
