r"""Regular expressions whose time grows with the text and never with its powers, and that find the
same in SQLite and PostgreSQL.

Known are characters, `.` (any but a line's end), classes such as `[a-z\d]`, `\d` and `\w` and `\s`
with their opposites, `^` and `$` for the beginning and the end of the text, groups, `|`, and `*`,
`+`, `?`, `{2,5}`. Digits are 0-9; whatever is beyond ASCII counts as part of a word.
"""

import re
from functools import lru_cache
from typing import Literal

from msgspec import Struct

MAX_STATES = 1000
"""What an expression may come to, its repetitions written out."""

MAX_DEPTH = 50
MAX_COUNT = 255
"""More repetitions PostgreSQL doesn't take."""

_LAST = 0x10FFFF
_CLASSES: dict[str, tuple[tuple[int, int], ...]] = {
    "d": ((48, 57),),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122), (128, _LAST)),
    "s": ((9, 13), (32, 32)),
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_COUNT = re.compile(r"\{(\d*+)(,?)(\d*+)\}")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})")
_GROUP = re.compile(r"\?(?::|P<[A-Za-z_]\w*+>)")

Ranges = tuple[tuple[int, int], ...]


class Unknown(Exception):
    """An expression that is none, or that isn't known here; says why."""


class One(Struct, frozen=True):
    """One character out of some ranges."""

    ranges: Ranges


class Edge(Struct, frozen=True):
    sign: Literal["^", "$"]


class Row(Struct, frozen=True):
    parts: "tuple[Node, ...]"


class Either(Struct, frozen=True):
    parts: "tuple[Node, ...]"


class Repeat(Struct, frozen=True):
    part: "Node"
    least: int
    most: int | None


Node = One | Edge | Row | Either | Repeat


@lru_cache(maxsize=64)
def parsed(text: str) -> Node:
    """Raises Unknown."""
    node = _Parser(text).whole()
    if _size(node) > MAX_STATES:
        raise Unknown("comes to too much: fewer or shorter repetitions")
    return node


def spelled(text: str) -> str:
    """The same for PostgreSQL's `~`."""
    return _spelled(parsed(text))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        found = self._either()
        if self._at < len(self._text):
            raise Unknown("has a ) too many")
        return found

    def _take(self, sign: str) -> bool:
        there = self._text.startswith(sign, self._at)
        self._at += len(sign) * there
        return there

    def _next(self) -> str:
        if self._at == len(self._text):
            raise Unknown("ends too soon")
        self._at += 1
        return self._text[self._at - 1]

    def _either(self) -> Node:
        parts = [self._row()]
        while self._take("|"):
            parts.append(self._row())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _row(self) -> Node:
        parts = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._single()))
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def _single(self) -> Node:
        match sign := self._next():
            case "(":
                return self._group()
            case "^" | "$":
                return Edge(sign)
            case ".":
                return One(_others(((10, 10),)))
            case "[":
                return One(self._class())
            case "\\":
                return One(self._escaped())
            case "*" | "+" | "?":
                raise Unknown(f"has a {sign} with nothing to repeat")
        return One(_just(sign))

    def _group(self) -> Node:
        if follows := _GROUP.match(self._text, self._at):
            self._at = follows.end()
        elif self._text.startswith("?", self._at):
            raise Unknown("has a group that begins with (?, other than (?: and (?P<name>")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unknown(f"is nested deeper than {MAX_DEPTH} levels")
        found = self._either()
        if not self._take(")"):
            raise Unknown("lacks a )")
        self._depth -= 1
        return found

    def _repeated(self, part: Node) -> Node:
        count = self._count()
        if count is None:
            return part
        if isinstance(part, Edge):
            raise Unknown("repeats ^ or $")
        self._take("?")  # how much is taken first changes nothing in whether it fits
        if self._take("+") or self._count() is not None:
            raise Unknown("repeats what is repeated")
        return Repeat(part, *count)

    def _count(self) -> tuple[int, int | None] | None:
        """How often, from and to; None where nothing is said."""
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        told = _COUNT.match(self._text, self._at)
        if told is None or not (told[1] or told[3]):
            return None  # a brace that stands for itself
        least = int(told[1] or 0)
        most = (int(told[3]) if told[3] else None) if told[2] else least
        if max(least, most or 0) > MAX_COUNT:
            raise Unknown(f"repeats more than {MAX_COUNT} times")
        if most is not None and most < least:
            raise Unknown("repeats from more to less")
        self._at = told.end()
        return least, most

    def _escaped(self) -> Ranges:
        sign = self._next()
        if sign.lower() in _CLASSES:
            ranges = _CLASSES[sign.lower()]
            return ranges if sign.islower() else _others(ranges)
        if sign in _CONTROLS:
            return _just(_CONTROLS[sign])
        if told := _HEX.match(self._text, self._at - 1):
            self._at = told.end()
            number = int(told[1] or told[2] or told[3], 16)
            if number <= _LAST:
                return ((number, number),)
        if sign.isalnum():
            raise Unknown(f"has \\{sign}, which isn't known")
        return _just(sign)

    def _class(self) -> Ranges:
        negated = self._take("^")
        found: list[tuple[int, int]] = []
        while (sign := self._next()) != "]" or not found:
            if sign == "[" and self._text.startswith((":", ".", "="), self._at):
                raise Unknown("has a class by name")
            first = self._escaped() if sign == "\\" else _just(sign)
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                sign = self._next()
                last = self._escaped() if sign == "\\" else _just(sign)
                if len(first) > 1 or len(last) > 1 or first[0][0] > last[0][1]:
                    raise Unknown("has a range from more to less")
                first = ((first[0][0], last[0][1]),)
            found.extend(first)
        return _others(found) if negated else _others(_others(found))


def _just(character: str) -> Ranges:
    return ((ord(character), ord(character)),)


def _others(ranges: "Ranges | list[tuple[int, int]]") -> Ranges:
    """Whatever is in none of the ranges, in order."""
    found, begin = [], 0
    for low, high in sorted(ranges):
        if begin < low:
            found.append((begin, low - 1))
        begin = max(begin, high + 1)
    return (*found, (begin, _LAST)) if begin <= _LAST else tuple(found)


def _size(node: Node) -> int:
    match node:
        case Row(parts) | Either(parts):
            return 1 + sum(map(_size, parts))
        case Repeat(part, least, most):
            return 1 + _size(part) * max(1, least if most is None else most)
        case _:
            return 1


def _spelled(node: Node) -> str:
    match node:
        case One(ranges):
            # A text has no NUL, and PostgreSQL no escape for it.
            parts = [_range(max(1, low), high) for low, high in ranges if high]
            return f"[{''.join(parts)}]" if parts else "(?:$.)"
        case Edge(sign):
            return sign
        case Row(parts):
            return "".join(map(_spelled, parts))
        case Either(parts):
            return f"(?:{'|'.join(map(_spelled, parts))})"
        case Repeat(part, least, most):
            return f"(?:{_spelled(part)}){{{least},{'' if most is None else most}}}"


def _range(low: int, high: int) -> str:
    return f"\\U{low:08x}" if low == high else f"\\U{low:08x}-\\U{high:08x}"
