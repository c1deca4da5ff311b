"""What the turns came to: one value of each figure, and ratios between peers."""

from collections.abc import Sequence
from typing import NamedTuple

import tasks
from turns import Turn


class Result(NamedTuple):
    """A figure of a peer. Of several turns the best is taken, since what else goes on in a machine
    only ever makes a turn worse; of what must not be (`Figure.strict`), the worst."""

    n: int
    value: float


class Results:
    """All turns of one run of the benchmark."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = turns

    def tasks(self) -> list[str]:
        return list(dict.fromkeys(turn.task for turn in self.turns))

    def peers(self) -> list[str]:
        return list(dict.fromkeys(turn.peer for turn in self.turns))

    def size(self, task: str, peer: str) -> int | None:
        """N, None where the peer left the task out."""
        return next((t.n for t in self.turns if (t.task, t.peer) == (task, peer)), None)

    def failure(self, task: str, peer: str) -> str:
        """Why there are no figures, empty where there are."""
        mine = [t for t in self.turns if (t.task, t.peer) == (task, peer)]
        return mine[0].failure if mine and all(t.failure for t in mine) else ""

    def find(self, task: str, figure: str, peer: str) -> Result | None:
        """The figure, None where the peer has none."""
        mine = [t for t in self.turns if (t.task, t.peer) == (task, peer)]
        values = [v for t in mine if (v := t.figures.get(figure)) is not None]
        if not values:
            return None
        kind = tasks.task(task).FIGURES[figure]
        return Result(mine[0].n, max(values) if kind.more_is_better != kind.strict else min(values))

    def ratio(self, task_name: str, figure: str, better: str, than: str) -> float | None:
        """How many times better one peer is than another; per unit where the figure grows with N.
        None where one of them has no figure, or nothing to divide by."""
        one, other = (self.find(task_name, figure, peer) for peer in (better, than))
        if one is None or other is None or not one.value or not other.value:
            return None
        kind = tasks.task(task_name).FIGURES[figure]
        ratio = one.value / other.value if kind.more_is_better else other.value / one.value
        return ratio * one.n / other.n if kind.grows else ratio
