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

from ml_workspace_lab.jobs.runner.log_file import LogFile
from ml_workspace_lab.storage.log_index import cut
from ml_workspace_lab.storage.storage import RunFolder

AT_ONCE = 256 * 1024
_STATE = struct.Struct("<QI")
_HEAD = 4096


class KeptOutput:
    """The output of one run's program. Where the folder's disk has no room or knows no such pipes,
    it is an output as any other."""

    def __init__(self, files: RunFolder, log: LogFile) -> None:
        self._files = files
        self._log = log
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

    def pass_on(self, pipe: int, write: Callable[[bytes], None]) -> None:
        """Give what comes to `write`, which adds it to the log, until the pipe's end (or until it
        is empty, where reading from it does not wait)."""
        self._settle()
        with suppress(BlockingIOError):
            while content := self._take(pipe):
                write(content)
                self._settle()
        self._files.taken.unlink(missing_ok=True)
        os.close(self._file)

    def _take(self, pipe: int) -> bytes:
        if self._is_noted:
            try:
                size = os.splice(pipe, self._file, AT_ONCE, offset_dst=_HEAD)
                return os.pread(self._file, size, _HEAD)
            except BlockingIOError:
                raise
            except (AttributeError, OSError):
                pass  # a system that has no splice; a disk that has no room
        return os.read(pipe, AT_ONCE)

    def _settle(self) -> None:
        """The log has all that was taken: forget that, and note how long the log is now."""
        size, pending = self._log.state
        pending = pending if len(pending) <= _HEAD - _STATE.size else b""
        note = (_STATE.pack(size, len(pending)) + pending).ljust(_HEAD, b"\0")
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
    if not files.taken.exists():
        return
    unsettled = _without_unsettled(files)
    log = LogFile(files.log)
    log.write(unsettled)
    KeptOutput(files, log).pass_on(pipe, log.write)
    log.close()


def _without_unsettled(files: RunFolder) -> bytes:
    """Cut from the log what it may have of the bytes that were taken last: those, and what goes
    before them."""
    note = files.taken.read_bytes()
    there = files.log.stat().st_size if files.log.exists() else 0
    if len(note) < _HEAD:
        return b""
    size, length = _STATE.unpack_from(note)
    pending, content = note[_STATE.size : _STATE.size + length], note[_HEAD:]
    if content and size < there:
        cut(files.log, size)
    # A note that is older than the log's last line says nothing of what goes on there.
    return pending + content if content or size == there else b""
