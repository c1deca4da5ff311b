"""Jobs beside papermill, nbclient and jupyter-scheduler: `make bench-jobs`.

    python benchmarks/jobs [--tasks first,drain,submit,overhead,logs] [--repeat N]

Exits with 1 where a target is missed.
"""

import argparse
import sys

import first_cell
import log_load
import overhead
import queue_load
from figures import Figure, report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="first,drain,submit,overhead,logs")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--runs", type=int, default=1000, help="notebooks to drain")
    parser.add_argument("--queued", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20, help="work of the run that is weighed")
    parser.add_argument("--lines", type=int, default=1_000_000)
    options = parser.parse_args()
    tasks = {
        "first": lambda: first_cell.measure(options.repeat),
        "drain": lambda: queue_load.drain(options.runs),
        "submit": lambda: queue_load.submit(options.queued),
        "overhead": lambda: overhead.measure(options.seconds),
        "logs": lambda: log_load.measure(options.lines, max(options.repeat // 2, 1)),
    }
    figures: list[Figure] = []
    for name in options.tasks.split(","):
        figures += tasks[name]()
        print(f"{name}: done", file=sys.stderr)
    print(report(figures))
    return 1 if any(figure.met is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
