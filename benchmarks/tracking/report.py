"""The table, in Markdown: figures of every peer, then the targets, then what is missing and why."""

import math
import os
import platform
from collections.abc import Iterator, Sequence

from results import Results
from targets import TARGETS, Target
from tasks import task

FIRST = "ours"


def report(results: Results) -> str:
    parts = [machine(), table(results), targets(results), failures(results)]
    return "\n\n".join(part for part in parts if part)


def machine() -> str:
    load = os.getloadavg()[0]
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, "
        f"Python {platform.python_version()}. `(nx)`: ours in process is n times better; per point "
        "or per run where N differs and the figure grows with it."
    )


def table(results: Results) -> str:
    peers = results.peers()
    lines = [["", *peers]]
    for name in results.tasks():
        sizes = [results.size(name, peer) for peer in peers]
        lines.append(
            [f"**{task(name).TITLE}**, N =", *("" if n is None else f"{n:,}" for n in sizes)]
        )
        for figure, kind in task(name).FIGURES.items():
            lines.append([kind.label, *(cell(results, name, figure, peer) for peer in peers)])
    return markdown(lines)


def cell(results: Results, task_name: str, figure: str, peer: str) -> str:
    found = results.find(task_name, figure, peer)
    if found is None:
        return "failed" if results.failure(task_name, peer) else ""
    ratio = None if peer == FIRST else results.ratio(task_name, figure, FIRST, peer)
    compared = ratio is not None and math.isfinite(ratio)
    return number(found.value) + (f" ({number(ratio)}x)" if compared else "")


def targets(results: Results) -> str:
    lines = [["target", "", "measured", ""]]
    lines += [target_row(target, results) for target in TARGETS if target.asked(results)]
    return markdown(lines) if len(lines) > 1 else ""


def target_row(target: Target, results: Results) -> list[str]:
    value = target.measured(results)
    times = "x" if target.than else ""
    what = f"{task(target.task).TITLE}: {task(target.task).FIGURES[target.figure].label}"
    who = f" ({target.peer} : {target.than})" if target.than else f" ({target.peer})"
    smaller = "" if target.full(results) else f" at N = {results.size(target.task, target.peer):,}"
    return [
        what + who,
        f"{'≥' if target.at_least() else '≤'} {number(target.bound)}{times}",
        "none" if value is None else number(value) + times,
        ("met" if target.met(value) else "**not met**") + smaller,
    ]


def failures(results: Results) -> str:
    return "\n".join(
        f"- {peer}, {name}: {reason}"
        for name in results.tasks()
        for peer in results.peers()
        if (reason := results.failure(name, peer))
    )


def number(value: float) -> str:
    """Three digits, all of those before the point."""
    if math.isinf(value):
        return "never"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_markdown(lines, widths))


def _markdown(lines: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for place, line in enumerate(lines):
        first, *rest = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        yield "| " + " | ".join([first, *(text.rstrip().rjust(len(text)) for text in rest)]) + " |"
        if place == 0:
            yield (
                f"| {'-' * widths[0]} | "
                + " | ".join("-" * (w - 1) + ":" for w in widths[1:])
                + " |"
            )
