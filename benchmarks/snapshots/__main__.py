"""Snapshots beside their peers: one table with ratios to `tar` into a file, measured in turns.

    python benchmarks/snapshots [--repeat 3] [--files 5000] [--size 300000000]

`tar` and `cp` don't wait for the disk, git does so for its index alone; ours is on the disk when it
returns, and so is "tar, synced". DVC is measured where `make bench-snapshots` has installed it.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tree import make

HERE = Path(__file__).parent
DVC = Path("build/peers/dvc/bin/dvc").absolute()
Cost = tuple[float, float]
FIRST_RATIO, AGAIN_CPU = 2.5, 0.1


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/snapshots")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--size", type=int, default=300_000_000)
    parser.add_argument("--quick", action="store_true", help="without git and DVC")
    options = parser.parse_args()
    costs: dict[str, list[Cost]] = defaultdict(list)
    grown: list[int] = []
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build", prefix="snapshots-") as name:
        folder = Path(name).absolute()
        make(folder / "tree", options.files, options.size)
        os.sync()
        run(["tar", "-cf", "/dev/null", "tree"], folder)
        time.sleep(1)
        for _ in range(options.repeat):
            grown.append(turn(folder, costs, quick=options.quick))
    print(table(costs))
    print(f"one changed file: {max(grown):,} bytes more than that file")
    first = statistics.median(cost[0] for cost in costs["ours, first"])
    tar = statistics.median(cost[0] for cost in costs["tar into a file"])
    copy = statistics.median(cost[0] for cost in costs["cp -a"])
    again = statistics.median(cost[1] for cost in costs["ours, nothing changed"])
    met = first <= FIRST_RATIO * tar and first < copy and again <= AGAIN_CPU
    print(
        f"targets: first at most {FIRST_RATIO} x tar ({first / tar:.2f} x) and below cp -a"
        f" ({first / copy:.2f} x); nothing changed at most {AGAIN_CPU} CPU s ({again:.3f}):"
        f" {'met' if met else 'MISSED'}"
    )
    return 0 if met else 1


def turn(folder: Path, costs: dict[str, list[Cost]], *, quick: bool) -> int:
    """Each way once; the bytes that one changed file took beside its own."""
    tar = ["tar", "-cf", "tree.tar", "tree"]
    costs["tar into a file"].append(measured(lambda: run(tar, folder)))
    os.sync()
    (folder / "tree.tar").unlink()
    costs["tar, synced"].append(measured(lambda: [run(tar, folder), sync(folder / "tree.tar")]))
    (folder / "tree.tar").unlink()
    costs["cp -a"].append(measured(lambda: run(["cp", "-a", "tree", "copy"], folder)))
    shutil.rmtree(folder / "copy")
    os.sync()
    grown = ours(folder, costs)
    os.sync()
    if quick:
        return grown
    git(folder, costs)
    if DVC.exists():
        dvc(folder, costs)
    os.sync()
    return grown


def ours(folder: Path, costs: dict[str, list[Cost]]) -> int:
    words = [sys.executable, str(HERE / "ours.py"), "tree", "store", "back"]
    environment = os.environ | {"ML_WORKSPACE_CACHE": str(folder / "cache")}
    ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=True)
    found = json.loads(ended.stdout)
    costs["ours, first"].append(tuple(found["first"]))
    costs["ours, nothing changed"].append(tuple(found["again"]))
    costs["ours, one file changed"].append(tuple(found["one changed"]))
    costs["ours, restored"].append(tuple(found["restored"]))
    run(["diff", "-r", "tree", "back"], folder)
    for name in ("store", "back", "cache"):
        shutil.rmtree(folder / name)
    more, size = found["bytes of one changed"]
    return int(more - size)


def git(folder: Path, costs: dict[str, list[Cost]]) -> None:
    start = ["git", "--git-dir", "repository", "--work-tree", "tree"]
    run(["git", "init", "-q", "--bare", "repository"], folder)
    run([*start, "config", "core.bare", "false"], folder)
    for what in ("first", "nothing changed"):
        work = [[*start, "add", "."], [*start, "write-tree"]]
        costs[f"git add, {what}"].append(measured(lambda: [run(words, folder) for words in work]))  # noqa: B023
    shutil.rmtree(folder / "repository")


def dvc(folder: Path, costs: dict[str, list[Cost]]) -> None:
    place = folder / "dvc"
    place.mkdir()
    (folder / "tree").rename(place / "tree")
    run([str(DVC), "init", "--no-scm", "-q"], place)
    for what in ("first", "nothing changed"):
        costs[f"dvc add, {what}"].append(
            measured(lambda: run([str(DVC), "add", "-q", "tree"], place))
        )
    (place / "tree").rename(folder / "tree")
    shutil.rmtree(place)


def run(words: list[str], folder: Path) -> None:
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(words, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def sync(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def measured(work: Callable[[], object]) -> Cost:
    """Seconds that passed, and seconds of the processor in child processes."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    passed = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return passed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(costs: dict[str, list[Cost]]) -> str:
    """Medians, the least and the greatest, and how often the time of tar."""
    tar = statistics.median(wall for wall, _ in costs["tar into a file"])
    rows = [f"{'':<26} {'wall s':>8} {'(min':>7} {'max)':>7} {'CPU s':>7} {'x tar':>7}"]
    for name, found in costs.items():
        walls = [wall for wall, _ in found]
        middle, cpu = statistics.median(walls), statistics.median(cpu for _, cpu in found)
        rows.append(
            f"{name:<26} {middle:8.3f} {min(walls):7.3f} {max(walls):7.3f}"
            f" {cpu:7.3f} {middle / tar:7.2f}"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
