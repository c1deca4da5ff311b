"""A job whose code writes down what it was told that it has logged, and the check that all of that
is in the workspace, once."""

from pathlib import Path

from ml_workspace_lab import Run, ScriptRunConfig
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually

# It goes on until the file "enough" is there. A step is acknowledged when log() and print() have
# returned: then its number is in the file "told".
WORK = """
import os, sys, time
from pathlib import Path
from ml_workspace_lab import Run

folder = Path(sys.argv[1])
run = Run.get_context()
slowest = 0.0
told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT)
step = 0
while not (folder / "enough").exists():
    began = time.monotonic()
    for _ in range(20):
        run.log("step", step, step)
        print("line", step, "x" * 80)
        step += 1
    sys.stdout.flush()
    os.pwrite(told, b"%12d" % step, 0)
    slowest = max(slowest, time.monotonic() - began)
    time.sleep(0.02)
Path("outputs", "model.bin").write_bytes(os.urandom(3_000_000))
(folder / "slowest").write_text(f"{slowest:.3f}")
"""


class Worker:
    """The job; `folder` is where it and the test meet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        code = folder / "worker"
        code.mkdir()
        (code / "work.py").write_text(WORK)
        self.config = ScriptRunConfig(code, "work.py", [str(folder)])

    @property
    def told(self) -> int:
        """How many lines and points were acknowledged."""
        path = self.folder / "told"
        content = path.read_text() if path.exists() else ""
        return int(content or 0)

    def goes_on(self, more: int = 200) -> None:
        """Wait until it has logged more, whoever can be reached."""
        wanted = self.told + more
        eventually(lambda: self.told >= wanted, 60, "the work goes on")

    def end(self) -> None:
        (self.folder / "enough").touch()

    @property
    def slowest(self) -> float:
        """Seconds that 20 points and lines took at most."""
        return float((self.folder / "slowest").read_text())


def lines_of(run: Run) -> list[int]:
    return [int(line.split()[1]) for line in run.get_log().splitlines() if line.startswith("line ")]


def check_complete(run: Run, worker: Worker) -> None:
    """The run reached its one end, and has each line, point and artifact once, in order."""
    info = run.info()
    assert info.state is RunState.COMPLETED, info.reason
    check_kept(run, worker.told)
    assert len(run.read_artifact("outputs/model.bin")) == 3_000_000
    ends = [c for c in run.workspace.connection.runs.history(run.id).items if c.state.is_terminal]
    assert len(ends) == 1


def check_kept(run: Run, told: int) -> None:
    """Each line and point that was acknowledged is there once, in order."""
    lines = lines_of(run)
    assert lines == list(range(len(lines)))
    assert len(lines) >= told
    steps = run.get_metric_history("step").steps.tolist()
    assert steps == list(range(len(steps)))
    assert len(steps) >= told
