"""TensorFlow's record files: each record between checksums of its length and of its content."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import google_crc32c

from ml_workspace_lab.errors import InvalidInput

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
LARGEST = 1 << 30


def records(stream: BinaryIO) -> Iterator[bytes]:
    """The records of a file. One that is still being written ends it; raises InvalidInput at one
    that is damaged."""
    while len(head := stream.read(_LENGTH.size + _CHECKSUM.size)) == 12:
        length, expected = head[:8], _CHECKSUM.unpack(head[8:])[0]
        (size,) = _LENGTH.unpack(length)
        if masked(length) != expected or size > LARGEST:
            raise InvalidInput("A record's length is damaged.")
        body = stream.read(size + _CHECKSUM.size)
        if len(body) < size + _CHECKSUM.size:
            return
        if masked(body[:size]) != _CHECKSUM.unpack(body[size:])[0]:
            raise InvalidInput("A record is damaged.")
        yield body[:size]


def masked(content: bytes) -> int:
    """The CRC-32C of a content, turned around so that it can lie in a content of its own."""
    crc: int = google_crc32c.value(content)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
