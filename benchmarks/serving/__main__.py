"""Scoring one row beside Starlette and other servers of models: `make bench-serving`.

    python benchmarks/serving [--models logistic,forest] [--servers starlette,ours]
                              [--connections 1,16,64] [--seconds S] [--repeat N]

Servers take turns, and each figure is the median of its turns; ratios are those of one turn. Exits
with 1 where a target is missed.
"""

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path

from load import measure
from report import Turn, report, targets
from servers import SERVERS, missing, started
from train import ROWS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(ROWS))
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    there = [name for name in options.servers.split(",") if not missing(name)]
    for name in set(options.servers.split(",")) - set(there):
        print(f"{name} is left out: it is not installed", file=sys.stderr)
    counts = [int(count) for count in options.connections.split(",")]
    turns = []
    for _ in range(options.repeat):
        for model, name in product(options.models.split(","), there):
            turns.append(turn(model, name, counts, options.seconds))
            rates = [f"{load.rate:,.0f}/s" for load in turns[-1].loads.values()]
            print(f"{model:8} {name:16} {' '.join(rates)}", file=sys.stderr)
    print(report(turns))
    return 1 if any(target.met is False for target in targets(turns)) else 0


def turn(model: str, name: str, counts: list[int], seconds: float) -> Turn:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        started(name, model, Path(folder)) as server,
    ):
        memory = server.memory()
        loads = {count: measure(server.port, server.request, count, seconds) for count in counts}
    return Turn(model, name, server.cold, memory, loads)


if __name__ == "__main__":
    sys.exit(main())
