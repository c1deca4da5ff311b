"""Rows of numbers in the plainest JSON, which is what most clients send, read in a microsecond."""

from collections.abc import Collection
from typing import Annotated, Any

import msgspec
from msgspec import Meta

_EXACT = 2**53
Number = Annotated[int, Meta(ge=-_EXACT, le=_EXACT)] | float
Rows = list[list[Number]]
_bare = msgspec.json.Decoder(Rows)
_wrapped = msgspec.json.Decoder(dict[str, Rows])


def quick_rows(body: bytes | bytearray, wrappers: Collection[str]) -> list[list[Any]] | None:
    """The rows of `{"data": [[1, 2.5], …]}`, with one of those names; of a bare list where "" is
    one of them. None for anything else, good or bad, which the strict parser has to look at.

    With two quotes there is one name, which can't stand twice; and each number is one that a double
    holds exactly, or a double.
    """
    try:
        quotes = body.count(b'"')
        if quotes == 2:
            [(name, rows)] = _wrapped.decode(body).items()
            return rows if name in wrappers else None
        return _bare.decode(body) if quotes == 0 and "" in wrappers else None
    except ValueError:
        return None
