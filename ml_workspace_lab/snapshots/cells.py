"""What differs between two notebooks, cell by cell; what the cells have put out doesn't count.

A cell is found again by its id, then by its text, then by one that is much like it.
"""

import difflib
import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from ml_workspace_lab.snapshots.lines import TooLong, unified

ALIKE = 0.5
"""Of two texts, the share that agrees from which they are taken for one cell that was changed."""
MOST_CELLS = 2_000
MOST_PAIRS = 2_500
LONGEST = 10_000
"""Characters of a cell that is looked for by its likeness."""


class CellChange(Struct, frozen=True):
    """A cell that is not the same in both notebooks. Its places count from 1; `text` are the lines
    that differ, as a unified diff has them. One that `moved` may have been changed, too."""

    change: Literal["added", "removed", "changed", "moved"]
    kind: str
    before: int | None
    after: int | None
    text: str


class _Cell(NamedTuple):
    kind: str
    source: str
    id: str | None


Pair = tuple[int | None, int | None]


def changed_cells(old: bytes, new: bytes) -> list[CellChange] | None:
    """In the order of the notebook. None where one of them is no notebook, or
    has too many of them."""
    before, after = _cells(old), _cells(new)
    if before is None or after is None or max(len(before), len(after)) > MOST_CELLS:
        return None
    pairs = _pairs(before, after)
    moved = _moved(pairs)
    found = (_change(pair, before, after, pair in moved) for pair in _in_order(pairs))
    return [change for change in found if change is not None]


def _change(
    pair: Pair, before: Sequence[_Cell], after: Sequence[_Cell], moved: bool
) -> CellChange | None:
    i, j = pair
    old = None if i is None else before[i]
    new = None if j is None else after[j]
    cell = new or old
    if cell is None or (old is not None and new is not None and old[:2] == new[:2] and not moved):
        return None
    texts = [one.source.splitlines(keepends=True) if one else [] for one in (old, new)]
    try:
        text = unified(*texts)
    except TooLong:
        text = "(too many lines differ)\n"
    change: Literal["added", "removed", "changed", "moved"] = "changed"
    if old is None or new is None:
        change = "added" if old is None else "removed"
    elif moved:
        change = "moved"
    return CellChange(
        change, cell.kind, None if i is None else i + 1, None if j is None else j + 1, text
    )


def _cells(raw: bytes) -> list[_Cell] | None:
    if not raw:
        return []
    try:
        return [
            _Cell(str(cell.get("cell_type")), _text(cell.get("source", "")), cell.get("id"))
            for cell in json.loads(raw)["cells"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _text(source: object) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _pairs(before: Sequence[_Cell], after: Sequence[_Cell]) -> list[Pair]:
    partner: dict[int, int] = {}
    ids = _by_id(after)
    for i, id_ in ((i, id_) for id_, i in _by_id(before).items()):
        if (j := ids.get(id_)) is not None and before[i].kind == after[j].kind:
            partner[i] = j
    left, right = _others(before, partner), _others(after, partner.values())
    texts = [before[i][:2] for i in left], [after[j][:2] for j in right]
    for block in difflib.SequenceMatcher(None, *texts, autojunk=False).get_matching_blocks():
        for n in range(block.size):
            partner[left[block.a + n]] = right[block.b + n]
    left, right = _others(before, partner), _others(after, partner.values())
    if len(left) * len(right) <= MOST_PAIRS:
        for i in left:
            j = _most_alike(before[i], after, right)
            if j is not None:
                partner[i] = j
                right.remove(j)
    there = set(partner.values())
    alone: list[Pair] = [(None, j) for j in range(len(after)) if j not in there]
    return [*((i, partner.get(i)) for i in range(len(before))), *alone]


def _by_id(cells: Sequence[_Cell]) -> dict[str, int]:
    """Cells by their ids, where an id stands once."""
    found: dict[str, int] = {}
    for place, cell in enumerate(cells):
        if isinstance(cell.id, str):
            found[cell.id] = -1 if cell.id in found else place
    return {id_: place for id_, place in found.items() if place >= 0}


def _others(cells: Sequence[_Cell], known: Iterable[int]) -> list[int]:
    known = set(known)
    return [place for place in range(len(cells)) if place not in known]


def _most_alike(cell: _Cell, after: Sequence[_Cell], places: Sequence[int]) -> int | None:
    matcher = difflib.SequenceMatcher(None)
    matcher.set_seq2(cell.source[:LONGEST])
    best, found = ALIKE, None
    for place in places:
        if after[place].kind != cell.kind:
            continue
        matcher.set_seq1(after[place].source[:LONGEST])
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            ratio = matcher.ratio()
            if ratio > best:
                best, found = ratio, place
    return found


def _moved(pairs: Sequence[Pair]) -> set[Pair]:
    """The pairs that are out of the order of most (of the longest row that is in order)."""
    both = [(i, j) for i, j in pairs if i is not None and j is not None]
    ends: list[int] = []  # the least end of a row of each length
    rows: list[int] = []  # where the pair is that has this end
    before: list[int] = []
    for at, (_, j) in enumerate(both):
        length = bisect_left(ends, j)
        before.append(rows[length - 1] if length else -1)
        ends[length : length + 1], rows[length : length + 1] = [j], [at]
    kept: set[Pair] = set()
    at = rows[-1] if rows else -1
    while at >= 0:
        kept.add(both[at])
        at = before[at]
    return {pair for pair in both if pair not in kept}


def _in_order(pairs: Sequence[Pair]) -> list[Pair]:
    """As the new notebook has them; what was removed stands where it was."""
    ordered: list[tuple[int, int, Pair]] = []
    last = -1
    for i, j in pairs:  # in the order of the old one, then those that are new
        if j is None:
            ordered.append((last, i or 0, (i, j)))
        else:
            ordered.append((j, -1, (i, j)))
            last = j
    return [pair for _, _, pair in sorted(ordered, key=lambda one: one[:2])]
