"""What a run costs in processor time over the bare notebook: the same work by nbclient and us."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import notebooks
import psutil
from figures import Figure
from peers import HERE, end_agent

from ml_workspace_lab import NotebookRunConfig, Workspace

WORK = """
import time
from pathlib import Path
began = time.process_time()
step = 0
while time.process_time() - began < SECONDS:
    sum(i * i for i in range(100_000))
    step += 1
    if step % 10 == 0:
        print("step", step, flush=True)
Path(MARK).write_text(str(step))
while not Path(MARK + ".enough").exists():
    time.sleep(0.05)
"""


def measure(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bare_cpu, bare_steps = _bare(Path(folder), seconds)
        our_cpu, our_steps = _ours(Path(folder), seconds)
    # The kernel has the same processor time for its work in both; the rest is the runners' own.
    return [
        Figure("processor time beside the work: nbclient", bare_cpu - seconds, "s"),
        Figure("processor time beside the work: ours", our_cpu - seconds, "s"),
        Figure("a run costs more than bare", 100 * (our_cpu / bare_cpu - 1), "%", most=5),
        Figure("steps done in the same processor time", 100 * our_steps / bare_steps, "%"),
    ]


def _bare(folder: Path, seconds: float) -> tuple[float, int]:
    mark = folder / "bare"
    path = _write(folder / "bare.ipynb", seconds, mark)
    process = subprocess.Popen(
        [sys.executable, str(HERE / "child.py"), "nbclient", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write("run\n")
    process.stdin.flush()
    cpu = _await(mark, [psutil.Process(process.pid)])
    process.communicate(timeout=60)
    return cpu, int(mark.read_text())


def _ours(folder: Path, seconds: float) -> tuple[float, int]:
    """With all that is ours: the background process and its parent, the zygote, the runner and the
    kernel."""
    mark = folder / "ours"
    work = folder / "work"
    work.mkdir()
    _write(work / "nb.ipynb", seconds, mark)
    workspace = Workspace.create("bench", folder / "store")
    run = workspace.experiment("e").submit(NotebookRunConfig(work, "nb.ipynb", cold=True))
    agents = []
    while not agents:
        agents = [
            process
            for process in psutil.process_iter(["cmdline"])
            if (process.info["cmdline"] or [])[1:4]
            == ["-m", "ml_workspace_lab.agent.parent", str(folder / "store")]
        ]
    cpu = _await(mark, agents)
    run.wait_for_completion()
    end_agent(folder / "store")
    return cpu, int(mark.read_text())


def _await(mark: Path, roots: list[psutil.Process]) -> float:
    """Processor seconds of processes and all below them when the work is done."""
    while not mark.exists() or not mark.read_text():
        time.sleep(0.05)
    tree = {p for root in roots for p in [root, *root.children(recursive=True)]}
    # The spare of the zygote is none of this run's.
    cpu = 0.0
    for process in tree:
        times = process.cpu_times()
        cpu += times.user + times.system
    Path(f"{mark}.enough").touch()
    return cpu


def _write(path: Path, seconds: float, mark: Path) -> Path:
    source = WORK.replace("SECONDS", str(seconds)).replace("MARK", repr(str(mark)))
    return notebooks.write(path, source)
