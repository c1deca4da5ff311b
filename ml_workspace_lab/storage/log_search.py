"""Searching a log for a text or a pattern, in one pass over its bytes.

A pattern is RE2's: its time grows with the log and never with the pattern's twists, so that nobody
can keep the server busy with one.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ml_workspace_lab.errors import InvalidInput, Unavailable
from ml_workspace_lab.storage.log_index import LineIndex
from ml_workspace_lab.storage.log_lines import Line, line, offset_of

BLOCK = 4 << 20
SMALL = 64 << 10
PATTERN_MEMORY = 8 << 20

_NOT_YET = -2

Find = Callable[[bytes, int], int]
"""Where the next match in a block begins, from a place on; -1 where there is none."""


class Found(NamedTuple):
    """Lines that match; `next` is the line to search from for more, None where all was searched."""

    items: list[Line]
    next: int | None


def search_lines(path: Path, find: Find, first: int, limit: int) -> Found:
    """At most `limit` lines that match, from line `first` on."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Found([], None)
    try:
        size = os.fstat(descriptor).st_size
        items: list[Line] = []
        with LineIndex(path) as index:
            start = offset_of(descriptor, index.at_line(first), first, size)
            for number, offset, raw in _matches(descriptor, start, size, first, find):
                if len(items) == limit:
                    return Found(items, number)
                items.append(line(number, offset, raw, [index.at_line(number)]))
        return Found(items, None)
    finally:
        os.close(descriptor)


def finder(text: str, *, regex: bool, ignore_case: bool) -> Find:
    """What finds a text, or with `regex` a pattern. Raises InvalidInput on a bad pattern,
    Unavailable where the package `re2` is missing that such ones need."""
    if not regex and (not ignore_case or text.isascii()):
        needle = text.encode()
        if not ignore_case:
            return lambda block, start: block.find(needle, start)
        return _Lowered(needle.lower())
    compiled = _compiled(text, regex=regex, ignore_case=ignore_case)

    def find(block: bytes, start: int) -> int:
        found = compiled.search(block, start)
        return -1 if found is None else int(found.start())

    return find


class _Lowered:
    """Finds a text whatever its case, with each block lowered once."""

    def __init__(self, needle: bytes) -> None:
        self._needle = needle
        self._block = self._low = b""

    def __call__(self, block: bytes, start: int) -> int:
        if len(block) < SMALL:  # a line that is looked at once more must not cost the block
            return block.lower().find(self._needle, start)
        if block is not self._block:
            self._block, self._low = block, block.lower()
        return self._low.find(self._needle, start)


def _compiled(text: str, *, regex: bool, ignore_case: bool) -> Any:
    try:
        import re2
    except ImportError:
        raise Unavailable(
            "Patterns need the package google-re2, which is not installed.",
            hint='Install it: pip install "ml_workspace_lab[search]". A plain text needs nothing.',
        ) from None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    options.case_sensitive = not ignore_case
    options.literal = not regex
    options.never_nl = True
    try:
        return re2.compile(f"(?m:{text})" if regex else text, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise InvalidInput(
            f"pattern: is not one of RE2's: {said}.",
            field="pattern",
            hint="RE2 has no look-around and no back-references.",
        ) from None


def _matches(
    descriptor: int, start: int, end: int, number: int, find: Find
) -> Iterator[tuple[int, int, bytes]]:
    """The number, offset and bytes of each line that matches; line `number` begins at `start`."""
    for offset, block in _blocks(descriptor, start, end):
        at = counted = 0
        match = redrawn = _NOT_YET
        while at < len(block):
            # Of a line that was redrawn only what is shown counts, so each is looked at.
            match = find(block, at) if match == _NOT_YET or 0 <= match < at else match
            redrawn = block.find(b"\r", at) if redrawn == _NOT_YET or 0 <= redrawn < at else redrawn
            place = min((one for one in (match, redrawn) if one >= 0), default=-1)
            if place < 0:
                break
            begin = block.rfind(b"\n", 0, place) + 1
            if begin == len(block):
                break  # After the last line's end there is no line.
            stop = block.find(b"\n", place)
            stop = len(block) if stop < 0 else stop
            number += block.count(b"\n", counted, begin)
            counted = begin
            raw = block[begin:stop]
            if find(raw.rstrip(b"\r").rpartition(b"\r")[2], 0) >= 0:
                yield number, offset + begin, raw
            at = stop + 1
        number += block.count(b"\n", counted)


def _blocks(descriptor: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The bytes from `start` to `end` in parts of whole lines, each with its offset; a line that
    is longer than a part is taken apart."""
    rest = b""
    while start < end:
        block = os.pread(descriptor, min(BLOCK, end - start), start)
        if not block:
            break
        start += len(block)
        cut = (block.rfind(b"\n") + 1 if start < end else 0) or len(block)
        yield start - len(block) - len(rest), rest + block[:cut]
        rest = block[cut:]
