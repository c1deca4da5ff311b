"""The types that operations of every noun share: checked names, pages, numbers on the wire."""

import math
from collections.abc import Iterator
from typing import Annotated, BinaryIO, Literal

from msgspec import Meta, Struct

IN_WORDS: dict[str, str] = {}
"""What the patterns of text mean, for those who gave another text."""


def text_like(
    pattern: str, words: str, *, min_length: int | None = None, max_length: int | None = None
) -> Meta:
    """A pattern that a text must have, and what to say where it doesn't: the same wherever the
    pattern is, since only the pattern is known when a text is refused."""
    if IN_WORDS.setdefault(pattern, words) != words:
        raise RuntimeError(f"{pattern} says {IN_WORDS[pattern]!r} already, not {words!r}")
    return Meta(pattern=pattern, min_length=min_length, max_length=max_length)


# In patterns: `$` alone would let a line break pass that is a text's last character.
Name = Annotated[
    str,
    text_like(
        r"^(?! )[^\x00-\x1f\x7f]+(?<! )$(?!\n)",
        "must not hold control characters, nor begin or end with a space",
        min_length=1,
        max_length=255,
    ),
]
"""A name: 1 to 255 characters, no control characters, no space at either end."""

BaseUrl = Annotated[
    str,
    text_like(
        r"^https?://[^\s/?#@]+(/[^\s?#]*)?$(?!\n)",
        "must be http:// or https:// with a host, without a user, a query or a fragment",
        max_length=2048,
    ),
]
"""The address of somebody else's server."""

Key = Annotated[
    str,
    text_like(
        r"^[^\x00-\x1f\x7f]+$(?!\n)",
        "must not hold control characters",
        min_length=1,
        max_length=1024,
    ),
]
"""The name of a metric, parameter, tag or property."""

Text = Annotated[str, Meta(max_length=1_000_000)]
Word = Annotated[
    str, text_like(r"^[^\x00]*$(?!\n)", "must not hold a NUL character", max_length=1_000_000)
]
"""What a process can be given: an argument, a variable's value, a program's name."""

Variable = Annotated[
    str,
    text_like(
        r"^[^\x00-\x1f\x7f=]+$(?!\n)",
        "must be a variable's name: no `=`, no control characters",
        min_length=1,
        max_length=1024,
    ),
]
"""The name of an environment variable."""

RunId = Annotated[str, text_like(r"^[0-9a-f]{32}$(?!\n)", "is not an id: 32 digits 0-9, a-f")]
Digest = Annotated[str, text_like(r"^[0-9a-f]{64}$(?!\n)", "is not a SHA-256: 64 digits 0-9, a-f")]
"""The SHA-256 of some content in lower-case hex: its address in the blob store."""

RelativePath = Annotated[str, Meta(min_length=1, max_length=1024)]
"""A path below some root, with `/` between its parts; `storage.paths.relative` checks it whole."""

Millis = int
"""A moment: milliseconds since 1970-01-01 UTC."""

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Scalar = bool | int | float | str | None
Number = float | Literal["NaN", "Infinity", "-Infinity"]
"""A float as JSON can carry it: what JSON has no token for travels as its name."""


def number_to_wire(value: float) -> Number:
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def number_from_wire(value: Number) -> float:
    return float(value)


class Nothing(Struct, frozen=True):
    """The answer of an operation that has nothing to say but that it is done."""


class LogChunk(Struct, frozen=True):
    """Bytes `offset` to `next` of a log of `size` bytes; `complete` when nothing will follow."""

    offset: int
    next: int
    size: int
    text: str
    complete: bool


class Content(Struct, frozen=True):
    """Bytes on their way out: read `stream` to its end and close it."""

    stream: BinaryIO
    size: int
    media_type: str
    filename: str

    def read(self) -> bytes:
        """All of it, closing the stream."""
        with self.stream:
            return self.stream.read()

    def chunks(self, size: int = 1 << 20) -> Iterator[bytes]:
        """Its parts in order, closing the stream."""
        with self.stream:
            while part := self.stream.read(size):
                yield part
