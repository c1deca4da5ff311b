"""A log of a million lines: how it is written, opened at its end, and searched."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from figures import Figure

from ml_workspace_lab import ScriptRunConfig, Workspace

SCRIPT = """
import sys, time
began, cpu = time.perf_counter(), time.process_time()
total = 0
for step in range(LINES):
    total += sum(i * i for i in range(500))
    print(f"epoch {step // 1000} step {step} loss={1 / (step + 1):.6f} accuracy=0.98765 lr=0.001")
sys.stdout.flush()
with open(MARK, "w") as mark:
    mark.write(f"{time.perf_counter() - began} {time.process_time() - cpu}")
"""


def measure(lines: int, repetitions: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        work = folder / "work"
        work.mkdir()
        mark = folder / "took"
        source = SCRIPT.replace("LINES", str(lines)).replace("MARK", repr(str(mark)))
        (work / "train.py").write_text(source)
        workspace = Workspace.create("bench", folder / "store")
        bare, ours = [], []
        for _ in range(repetitions):
            bare.append(_to_a_file(work, folder / "plain.txt", mark))
            run = workspace.experiment("e").submit(ScriptRunConfig(work, "train.py"))
            run.wait_for_completion()
            ours.append(_seconds(mark))
        logs = workspace.connection.logs
        assert logs.lines(run.id, -1, 1).total == lines
        slower = statistics.median(ours) / statistics.median(bare) - 1
        figures = [
            Figure(f"{lines:,} lines to a file", statistics.median(bare), "s", spread=bare),
            Figure(f"{lines:,} lines to the log", statistics.median(ours), "s", spread=ours),
            Figure("the trainer is slowed by", 100 * slower, "%", most=2),
            _timed("open the end", lambda: logs.lines(run.id, -200, 200), 100),
            _timed("open the middle", lambda: logs.lines(run.id, lines // 2, 200), 100),
            _timed("search: a text near the end", lambda: _all(run, f"step {lines - 1} "), 1000),
            _timed("search: not there, any case", lambda: _all(run, "NOWHERE", True), 1000),
            _timed("search: a pattern", lambda: _all(run, r"^x.*(a+a+)+$", False, True), 1000),
        ]
        from peers import end_agent

        end_agent(folder / "store")
        return figures


def _to_a_file(work: Path, target: Path, mark: Path) -> float:
    with target.open("wb") as file:
        subprocess.run([sys.executable, "-u", "train.py"], cwd=work, stdout=file, check=True)
    return _seconds(mark)


def _seconds(mark: Path) -> float:
    return float(mark.read_text().split()[0])


def _all(run: object, text: str, ignore_case: bool = False, regex: bool = False) -> object:
    return list(run.search_log(text, regex=regex, ignore_case=ignore_case))  # type: ignore[attr-defined]


def _timed(what: str, act: Callable[[], object], most: float) -> Figure:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return Figure(f"log: {what}", 1000 * statistics.median(took), "ms", spread=took, most=most)
