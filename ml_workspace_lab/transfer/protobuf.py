"""Messages of protocol buffers, taken apart without their schema."""

import struct
from collections.abc import Iterator

from ml_workspace_lab.errors import InvalidInput

Value = int | bytes

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """The numbers of a message's fields and their values in order: integers as they are, all else
    (also numbers of fixed width) as bytes. Raises InvalidInput on what is no message."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _LENGTH:
            size, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise InvalidInput("A message has a field of an unknown kind.")
        if at + size > end:
            raise InvalidInput("A message ends too early.")
        yield number, message[at : at + size]
        at += size


def part(message: bytes, number: int) -> bytes:
    """The last field of that number, which is a message or text; empty where there is none."""
    found = b""
    for given, value in fields(message):
        if given == number and isinstance(value, bytes):
            found = value
    return found


def text(message: bytes, number: int) -> str:
    return part(message, number).decode("utf-8", "replace")


def integer(message: bytes, number: int) -> int:
    found = [value for given, value in fields(message) if given == number]
    return signed(found[-1]) if found and isinstance(found[-1], int) else 0


def signed(value: int) -> int:
    """An integer that was written as 64 bits without a sign."""
    return value - (1 << 64) if value >= 1 << 63 else value


def numbers(raw: bytes, code: str) -> list[float]:
    """Numbers of fixed width, one after the other."""
    whole = len(raw) - len(raw) % struct.calcsize(f"<{code}")
    return [value for (value,) in struct.iter_unpack(f"<{code}", raw[:whole])]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70 and at < len(message):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), at
        shift += 7
    raise InvalidInput("A message has a number without an end.")
