"""How searches grow with the number of runs: measured in a workspace that grows, and drawn.

    python benchmarks/tracking/growth.py measure FOLDER sqlite.json --sizes 1000,10000
    python benchmarks/tracking/growth.py measure FOLDER postgresql.json --database URL
    python benchmarks/tracking/growth.py plot growth.svg sqlite.json postgresql.json

A folder that holds such a workspace already is gone on with. A million runs take about 8 GB.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from clock import median_ms
from data import FILTER, ORDER
from load import load_runs

from ml_workspace_lab import Workspace

PAGE = 100
SERIES = {
    "newest": "the newest 100",
    "last": "the last page of 100",
    "best": "metric > x and param = y, the best 100",
    "count": "the number of those",
    "frame": "all as a DataFrame",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Growth of searches.")
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("json", type=Path)
    measuring.add_argument("--sizes", type=sizes, default="1000,10000,100000,1000000")
    measuring.add_argument("--database", help="the address of a PostgreSQL database")
    plotting = commands.add_parser("plot")
    plotting.add_argument("picture", type=Path)
    plotting.add_argument("json", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "plot":
        plot(options.picture, {path.stem: json.loads(path.read_text()) for path in options.json})
    else:
        measure(options.folder, options.json, options.sizes, options.database)


def sizes(text: str) -> list[int]:
    return sorted(int(size) for size in text.split(","))


def measure(folder: Path, target: Path, growing: list[int], database: str | None) -> None:
    if not folder.exists():
        Workspace.create("growth", folder, database=database).close()
    workspace = Workspace.open(folder)
    found: dict[str, dict[str, float]] = json.loads(target.read_text()) if target.exists() else {}
    for size in growing:
        missing = size - workspace.count_runs("")
        if missing < 0:
            continue
        load_runs(workspace.connection.storage.database, missing)
        found[str(size)] = {name: median_ms(ask) for name, ask in questions(workspace).items()}
        target.write_text(json.dumps(found, indent=1) + "\n")
        print(size, {name: f"{ms:.3g} ms" for name, ms in found[str(size)].items()}, flush=True)
    workspace.close()


def questions(workspace: Workspace) -> Mapping[str, Callable[[], Any]]:
    """What is asked, each once before, so that what is kept in memory is there."""
    runs = workspace.connection.runs
    asked = {
        "newest": lambda: runs.list(limit=PAGE),
        "last": lambda: runs.list(limit=PAGE, after=last),
        "best": lambda: workspace.search_runs(FILTER, order_by=[ORDER], max_results=PAGE),
        "count": lambda: workspace.count_runs(FILTER),
        "frame": workspace.search_runs,
    }
    last = last_page(workspace)
    for ask in asked.values():
        ask()
    return asked


def last_page(workspace: Workspace) -> str | None:
    """The `after` of the last page; pages are long on the way there."""
    runs = workspace.connection.runs
    after: str | None = None
    left = workspace.count_runs("") - PAGE
    while left > 0:
        page = runs.list(limit=min(left, 1000), after=after)
        left, after = left - len(page.items), page.next
    return after


def plot(picture: Path, measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(measured), 4), layout="constrained")
    places = figure.subplots(1, len(measured), sharey=True, squeeze=False)[0]
    for place, (name, sizes) in zip(places, measured.items(), strict=True):
        for series, label in SERIES.items():
            points = sorted((int(size), one[series]) for size, one in sizes.items())
            place.loglog(*zip(*points, strict=True), marker="o", label=label)
        place.set(title=name, xlabel="runs")
        place.grid(alpha=0.3)
    places[0].set_ylabel("median, ms")
    places[0].legend(fontsize="small")
    figure.savefig(picture)


if __name__ == "__main__":
    main()
