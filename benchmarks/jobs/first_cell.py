"""From the order to run a notebook until its first cell executes, peers taking turns."""

import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from figures import Figure
from peers import Bare, InProcess, Ours, Peer, Scheduler, interpreter

MAKERS: dict[str, Callable[[Path], Peer]] = {
    "python -c pass": Bare,
    "nbclient": lambda folder: InProcess("nbclient", Path(sys.executable), folder),
    "papermill": lambda folder: InProcess("papermill", interpreter("papermill"), folder),
    "jupyter-scheduler": Scheduler,
    "ours, warm": Ours,
    "ours, cold": lambda folder: Ours(folder, cold=True),
}
INSTALLED = {"papermill": "papermill", "jupyter-scheduler": "scheduler"}
"""Peers with a Python of their own."""
TIMES_FASTER = {"papermill": 4, "jupyter-scheduler": 14}


def measure(repetitions: int) -> list[Figure]:
    with ExitStack() as done:
        root = Path(done.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        peers: dict[str, Peer] = {}
        for number, (name, make) in enumerate(MAKERS.items()):
            if name in INSTALLED and not interpreter(INSTALLED[name]).exists():
                print(f"{name} is left out: `make bench-jobs` installs it", file=sys.stderr)
                continue
            folder = root / str(number)
            folder.mkdir()
            peers[name] = make(folder)
            done.callback(peers[name].close)
        took: dict[str, list[float]] = {name: [] for name in peers}
        for _ in range(repetitions):
            for name, peer in peers.items():
                took[name].append(peer.first_cell())
    middle = {name: statistics.median(seconds) for name, seconds in took.items()}
    warm, cold = middle["ours, warm"], middle["ours, cold"]
    figures = [
        Figure(f"first cell: {name}", 1000 * middle[name], "ms", spread=took[name]) for name in took
    ]
    for name, times in TIMES_FASTER.items():
        if name in middle:
            ratio = middle[name] / warm
            figures.append(Figure(f"warm: times faster than {name}", ratio, "x", least=times))
    more = 1000 * (cold - middle["nbclient"])
    return [*figures, Figure("cold: more than nbclient", more, "ms", most=100)]
