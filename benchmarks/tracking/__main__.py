"""The tracking store beside its peers: one table with ratios, all of it measured in one go.

    python benchmarks/tracking [--scale 0.1] [--peers ours,mlflow] [--tasks log,bulk] …

A peer is measured under the Python of its own folder in build/peers (`make bench-tracking` installs
them), ours under this Python. Every task of every peer is a process and an empty folder of its own.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import adapters
import tasks
from report import report
from results import Results
from targets import TARGETS
from turns import Turn, missing, take


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    there = [peer for peer in options.peers if installed(peer)]
    turns = []
    # Peers take turns within a task, so that a busy machine is busy for all of them.
    for _ in range(options.repeat):
        for task in options.tasks:
            turns += [turn for peer in there if (turn := measure(task, peer, options.scale))]
    results = Results(turns)
    print(report(results))
    if options.json:
        options.json.write_text(json.dumps(document(options.scale, turns), indent=1) + "\n")
    asked = (target for target in TARGETS if target.asked(results))
    missed = any(not target.met(target.measured(results)) for target in asked)
    return 1 if missed or any(turn.failure for turn in turns) else 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="benchmarks/tracking", description="Peers of the store.")
    made.add_argument("--scale", type=scale, default=1.0, help="of all sizes, 0 < SCALE ≤ 1")
    made.add_argument("--repeat", type=times, default=1, help="turns each; the best is shown")
    made.add_argument("--json", type=file, metavar="FILE", help="keep every figure of every turn")
    peers, what = list(adapters.NAMES), tasks.NAMES
    made.add_argument("--peers", type=among(peers), default=peers, help=f"of {','.join(peers)}")
    made.add_argument("--tasks", type=among(what), default=what, help=f"of {','.join(what)}")
    return made


def scale(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("must be over 0 and at most 1")
    return value


def file(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    return path


def times(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def among(names: Sequence[str]) -> Callable[[str], list[str]]:
    """A list of names with commas, in the order of `names`."""

    def chosen(text: str) -> list[str]:
        if unknown := set(text.split(",")) - set(names):
            raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))}")
        return [name for name in names if name in text.split(",")]

    return chosen


def installed(peer: str) -> bool:
    reason = missing(adapters.adapter(peer))
    if reason:
        print(f"{peer} is left out: {reason}", file=sys.stderr)
    return not reason


def measure(task: str, peer: str, scale: float) -> Turn | None:
    turn = take(task, peer, scale)
    if turn:
        print(f"{task:12} {peer:12} {turn.seconds:6.1f} s {turn.failure}", file=sys.stderr)
    return turn


def document(scale: float, turns: Sequence[Turn]) -> dict[str, Any]:
    """JSON has no word for an infinite time."""
    whole = [turn._asdict() for turn in turns]
    for turn in whole:
        turn["figures"] = {
            name: "never" if value is not None and math.isinf(value) else value
            for name, value in turn["figures"].items()
        }
    return {"scale": scale, "turns": whole}


if __name__ == "__main__":
    sys.exit(main())
