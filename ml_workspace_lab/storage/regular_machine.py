"""Whether a regular expression fits a text: a machine that reads each character once."""

from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

from ml_workspace_lab.storage.regular import Edge, Either, Node, One, Ranges, Repeat, Row, parsed

KEPT = 2000
"""Sets of states that are kept of an expression."""


def is_found(text: str, expression: str) -> bool:
    """Whether the expression fits anywhere in the text."""
    return _machine(expression).finds(text)


class _State(Struct, eq=False):
    """A step of the machine: characters that lead to `to`, an edge, or just ways on."""

    ranges: Ranges = ()
    edge: str = ""
    to: "list[_State]" = []


class _Set(Struct, eq=False):
    """States that the machine may be in at once."""

    states: frozenset[_State]
    fits: bool
    fits_at_end: bool
    moves: "dict[str, _Set]"


class _Machine:
    """Goes through a text once, in all states that it may be in at the same time; a set of states
    and a character that came before are looked up."""

    def __init__(self, node: Node) -> None:
        self._goal = _State()
        self._first = _built(node, self._goal)
        self._sets: dict[frozenset[_State], _Set] = {}
        self._begin = self._set([self._first], begins=True)

    def finds(self, text: str) -> bool:
        at = self._begin
        if at.fits:
            return True
        for character in text:
            at = at.moves.get(character) or self._move(at, character)
            if at.fits:
                return True
        return at.fits_at_end

    def _move(self, at: _Set, character: str) -> _Set:
        code = ord(character)
        to = [
            state.to[0]
            for state in at.states
            if any(low <= code <= high for low, high in state.ranges)
        ]
        found = at.moves[character] = self._set([*to, self._first])
        return found

    def _set(self, states: list[_State], *, begins: bool = False) -> _Set:
        reached = frozenset(_reached(states, "^" if begins else ""))
        if begins or (found := self._sets.get(reached)) is None:
            if len(self._sets) >= KEPT:
                self._sets.clear()
            at_end = _reached(states, "^$" if begins else "$")
            waiting = frozenset(state for state in reached if state.ranges)
            found = _Set(waiting, self._goal in reached, self._goal in at_end, {})
            if not begins:
                self._sets[reached] = found
        return found


@lru_cache(maxsize=64)
def _machine(expression: str) -> _Machine:
    return _Machine(parsed(expression))


def _built(node: Node, then: _State) -> _State:
    """The state from which the node leads to `then`."""
    match node:
        case One(ranges):
            return _State(ranges=ranges, to=[then] if ranges else [])
        case Edge(sign):
            return _State(edge=sign, to=[then])
        case Row(parts):
            for part in reversed(parts):
                then = _built(part, then)
            return then
        case Either(parts):
            return _State(to=[_built(part, then) for part in parts])
        case Repeat(part, least, most):
            if most is None:
                again = _State(to=[then])
                again.to.append(_built(part, again))
                then = again
            for _ in range((most or 0) - least):
                then = _State(to=[then, _built(part, then)])
            for _ in range(least):
                then = _built(part, then)
            return then


def _reached(states: list[_State], edges: str) -> set[_State]:
    """All states that are come to without a character, where these edges are."""
    found: set[_State] = set()
    todo = list(states)
    while todo:
        state = todo.pop()
        if state not in found:
            found.add(state)
            todo.extend(_ways(state, edges))
    return found


def _ways(state: _State, edges: str) -> Iterator[_State]:
    if not state.ranges and (not state.edge or state.edge in edges):
        yield from state.to
