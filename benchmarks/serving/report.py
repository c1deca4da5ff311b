"""The table in Markdown, and whether the targets are met."""

import os
import platform
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from load import Load

FLOOR = "starlette"


class Turn(NamedTuple):
    """What one server did in one turn: loads by number of connections."""

    model: str
    server: str
    cold: float
    memory: float
    loads: dict[int, Load]


class Target(NamedTuple):
    what: str
    bound: float
    measured: float | None
    at_least: bool

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def ratio(turns: Sequence[Turn], server: str, connections: int) -> float | None:
    """The median of its rate to that of the floor in the same turn."""
    found = []
    rounds = zip(of(turns, server), of(turns, FLOOR), strict=False)
    for turn, floor in rounds:
        if connections in turn.loads and connections in floor.loads:
            found.append(turn.loads[connections].rate / floor.loads[connections].rate)
    return median(found) if found else None


def of(turns: Sequence[Turn], server: str) -> list[Turn]:
    return [turn for turn in turns if turn.server == server]


def report(turns: Sequence[Turn]) -> str:
    models = list(dict.fromkeys(turn.model for turn in turns))
    tables = [f"**{model}**\n\n{_markdown(_table(served(turns, model)))}" for model in models]
    return "\n\n".join([_machine(turns), *tables, _markdown(_targets(turns))])


def served(turns: Sequence[Turn], model: str) -> list[Turn]:
    return [turn for turn in turns if turn.model == model]


def _table(turns: Sequence[Turn]) -> list[list[str]]:
    counts = sorted({count for turn in turns for count in turn.loads})
    head = ["", "first answer, s", "memory, MiB"]
    for count in counts:
        head += [f"{count}: /s", "ratio", "p50, ms", "p99, ms"]
    rows = [head]
    for server in dict.fromkeys(turn.server for turn in turns):
        own = of(turns, server)
        row = [server, f"{median(t.cold for t in own):.2f}", f"{median(t.memory for t in own):.0f}"]
        for count in counts:
            loads = [turn.loads[count] for turn in own]
            found = ratio(turns, server, count)
            row += [
                f"{median(one.rate for one in loads):,.0f}",
                "" if found is None else f"{found:.2f}",
                f"{median(one.p50 for one in loads):.2f}",
                f"{median(one.p99 for one in loads):.1f}",
            ]
        rows.append(row)
    return rows


def targets(turns: Sequence[Turn]) -> list[Target]:
    logistic, forest = served(turns, "logistic"), served(turns, "forest")
    native, onnx = of(logistic, "ours"), of(logistic, "ours-onnx")
    return [
        Target("one by one, 16 connections", 1.3, ratio(logistic, "ours-one-by-one", 16), True),
        Target("ours, 16 connections", 5, ratio(logistic, "ours", 16), True),
        Target("ours, 64 connections", 8, ratio(logistic, "ours", 64), True),
        Target("ONNX, 16 connections", 8, ratio(logistic, "ours-onnx", 16), True),
        Target("forest by ONNX, 16 connections", 120, ratio(forest, "ours-onnx", 16), True),
        Target("ours, p50 at one connection, ms", 0.4, _p50(native), False),
        Target("ONNX, p50 at one connection, ms", 0.15, _p50(onnx), False),
        Target("ours, first answer, s", 2.5, _median([turn.cold for turn in native]), False),
        Target("ONNX, first answer, s", 0.6, _median([turn.cold for turn in onnx]), False),
        Target("ONNX, MiB", 70, _median([turn.memory for turn in onnx]), False),
    ]


def _p50(turns: Sequence[Turn]) -> float | None:
    return _median([turn.loads[1].p50 for turn in turns if 1 in turn.loads])


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _targets(turns: Sequence[Turn]) -> list[list[str]]:
    verdict = {None: "", True: "met", False: "**not met**"}
    rows = [["target", "", "measured", ""]]
    for one in targets(turns):
        bound = f"{'≥' if one.at_least else '≤'} {one.bound:g}"
        measured = "" if one.measured is None else f"{one.measured:.3g}"
        rows.append([one.what, bound, measured, verdict[one.met]])
    return rows


def _machine(turns: Sequence[Turn]) -> str:
    busy = max(load.busy for turn in turns for load in turn.loads.values())
    failed = sum(load.failed for turn in turns for load in turn.loads.values())
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}. The load took at most "
        f"{100 * busy:.0f} % of a core; {failed} answers were not 200."
    )


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "| --- " * len(rows[0]) + "|")
    return "\n".join(lines)
