"""Many contents in one body: before each stand 8 bytes with its length (big endian).

Where sender and receiver are one process, nothing is copied: `Direct` hands the contents over.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import BinaryIO

from ml_workspace_lab.errors import InvalidInput

LENGTH = struct.Struct(">Q")
CHUNK = 1 << 20

Parts = Iterable[bytes]
"""A content that comes in parts, which are read in order."""


class Direct(BytesIO):
    """Contents for a receiver in this process, made while they are taken."""

    def __init__(self, contents: Callable[[], Iterator[bytes | Parts]]) -> None:
        super().__init__()
        self.contents = contents


def frame(content: bytes) -> bytes:
    return LENGTH.pack(len(content)) + content


def contents_of(body: BinaryIO) -> Iterator[bytes | Parts]:
    """The contents of a body, one after the other; long ones in parts, to be read before the next.
    Raises InvalidInput where it is cut off."""
    if isinstance(body, Direct):
        yield from body.contents()
        return
    while head := body.read(LENGTH.size):
        if len(head) < LENGTH.size:
            raise cut_off()
        [length] = LENGTH.unpack(head)
        if length <= CHUNK:
            yield exactly(body, length)
        else:
            yield parts(body, length)


def parts(body: BinaryIO, length: int) -> Iterator[bytes]:
    """The next `length` bytes."""
    while length:
        part = exactly(body, min(CHUNK, length))
        length -= len(part)
        yield part


def exactly(body: BinaryIO, length: int) -> bytes:
    part = body.read(length)
    while len(part) < length:
        more = body.read(length - len(part))
        if not more:
            raise cut_off()
        part += more
    return part


def cut_off() -> InvalidInput:
    return InvalidInput(
        "The body ends in the middle of a content.", field="content", hint="Send it again."
    )
