"""Our part, in a process of its own: takes snapshots of a folder and says what each cost.

    python benchmarks/snapshots/ours.py FOLDER WORKSPACE TARGET

Everything is on the disk when `take` returns. The caches of the disk are as the caller left them.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ml_workspace_lab import Workspace
from ml_workspace_lab.snapshots.stat_cache import _TICK_NS


def main(tree: Path, store: Path, target: Path) -> None:
    ws = Workspace.create("bench", store)
    ws.snapshots.take(Path(__file__).parent)  # what is imported at first use is imported now
    found = {"first": timed(lambda: ws.snapshots.take(tree))}
    found["again"] = timed(lambda: ws.snapshots.take(tree))
    changed = next(tree.rglob("*.py"))
    content = changed.read_bytes()
    changed.write_bytes(content + b"#")
    time.sleep(2 * _TICK_NS / 1e9)
    before = used(store)
    found["one changed"] = timed(lambda: ws.snapshots.take(tree))
    found["bytes of one changed"] = (used(store) - before, len(content))
    changed.write_bytes(content)
    taken = ws.snapshots.take(tree)
    found["restored"] = timed(lambda: taken.restore(target))
    print(json.dumps(found))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that passed, and seconds of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def used(folder: Path) -> int:
    files = (folder / "blobs").rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
