"""What a runner tells its workspace, record by record: in its spool, over HTTP, in a shared folder.

A record is the length of its payload (u32), a CRC-32 of what follows, its number (u64), all
little-endian, and the payload: a byte for the kind, then bytes of the log or JSON.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

from msgspec import Struct

from ml_workspace_lab.experiments.model import Progress, RunState
from ml_workspace_lab.jobs.model import Cause

HEAD = struct.Struct("<IIQ")
LONGEST = 4 * 1024 * 1024
"""Bytes of a payload: what is longer is no record of ours."""

LOG, STATE, PROGRESS, END = b"L", b"S", b"P", b"E"


STOPPED = "Its program stands still: it was stopped by a signal."
"""The reason of a run that is NotResponding where its runner says so, and answers: it alone knows
when the program goes on."""


class Moved(Struct, frozen=True):
    """The run comes to a state on its way, with a reason where there is one to tell."""

    state: RunState
    reason: str = ""


class Ended(Struct, frozen=True):
    """How an attempt ended, as its runner saw it; `cause` is that of a failure.

    `peak_rss` is the most memory (bytes) that one of its processes had, `oom_kills` how many the
    kernel ended for want of memory. What the log lacks for want of room is `dropped_…`.
    """

    state: Literal["Completed", "Failed", "Canceled"]
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    cause: Cause = "failed"
    peak_rss: int | None = None
    oom_kills: int | None = None
    dropped_lines: int = 0
    dropped_bytes: int = 0


KINDS: dict[type[Struct], bytes] = {Moved: STATE, Progress: PROGRESS, Ended: END}


class Record(NamedTuple):
    """One of them; its numbers count from 1."""

    number: int
    kind: bytes
    body: bytes

    @property
    def size(self) -> int:
        """Bytes that it takes where records are kept."""
        return HEAD.size + 1 + len(self.body)


def encode(record: Record) -> bytes:
    payload = record.kind + record.body
    rest = struct.pack("<Q", record.number) + payload
    return struct.pack("<II", len(payload), zlib.crc32(rest)) + rest


def decode(content: bytes) -> Iterator[Record]:
    """The whole records at the beginning of `content`: a torn or damaged one ends them."""
    place = 0
    while place + HEAD.size <= len(content):
        length, checksum, number = HEAD.unpack_from(content, place)
        begin = place + HEAD.size
        end = begin + length
        if not 1 <= length <= LONGEST or end > len(content):
            return
        if zlib.crc32(content[place + 8 : end]) != checksum:
            return
        yield Record(number, content[begin : begin + 1], content[begin + 1 : end])
        place = end
