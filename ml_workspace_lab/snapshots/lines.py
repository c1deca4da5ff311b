"""What differs between two texts, line by line, in a time that has a bound."""

import difflib
from collections.abc import Iterator, Sequence

MOST_LINES = 2_000
"""Lines between the first and the last that differ which are compared; the time that it takes may
grow with their square."""
CONTEXT = 3


Opcode = tuple[str, int, int, int, int]
"""As difflib has it: what becomes of the lines a to b, which are c to d then."""


class TooLong(Exception):
    """More lines differ than are compared."""


def unified(old: Sequence[str], new: Sequence[str]) -> str:
    """The hunks of a unified diff, empty where nothing differs. Raises TooLong."""
    return "".join(
        line if line.endswith("\n") else f"{line}\n"
        for group in _groups(_changes(old, new))
        for line in _hunk(group, old, new)
    )


def _changes(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    """difflib's changes, found between the first and the last line that differ."""
    most = min(len(old), len(new))
    head = next((i for i in range(most) if old[i] != new[i]), most)
    tail = next((i for i in range(most - head) if old[-1 - i] != new[-1 - i]), most - head)
    middle = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(map(len, middle)) > MOST_LINES and all(middle):
        raise TooLong
    found = difflib.SequenceMatcher(None, *middle).get_opcodes()
    shifted = [(tag, a + head, b + head, c + head, d + head) for tag, a, b, c, d in found]
    start = ("equal", 0, head, 0, head)
    end = ("equal", len(old) - tail, len(old), len(new) - tail, len(new))
    return [one for one in (start, *shifted, end) if one[1] < one[2] or one[3] < one[4]]


def _groups(changes: Sequence[Opcode]) -> Iterator[list[Opcode]]:
    """The changes that are near each other, with a few equal lines around them."""
    group: list[Opcode] = []
    for tag, a, b, c, d in changes:
        if tag != "equal":
            group.append((tag, a, b, c, d))
            continue
        near = min(CONTEXT, b - a)
        if group and b - a > 2 * CONTEXT:
            yield [*group, (tag, a, a + near, c, c + near)]
            group = []
        group.append((tag, b - near, b, d - near, d) if not group else (tag, a, b, c, d))
    if len(group) > 1 or (group and group[0][0] != "equal"):
        tag, a, b, c, d = group[-1]
        near = min(CONTEXT, b - a)
        yield [*group[:-1], (tag, a, a + near, c, c + near) if tag == "equal" else group[-1]]


def _hunk(group: Sequence[Opcode], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    first, last = group[0], group[-1]
    yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
    for tag, a, b, c, d in group:
        if tag == "equal":
            yield from (f" {line}" for line in old[a:b])
        else:
            yield from (f"-{line}" for line in old[a:b])
            yield from (f"+{line}" for line in new[c:d])


def _range(start: int, stop: int) -> str:
    size = stop - start
    return f"{start + 1}" if size == 1 else f"{start + 1 if size else start},{size}"
