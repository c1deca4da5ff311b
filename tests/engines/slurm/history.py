"""What a run was told that it has logged, and how often it began: written down by its own code."""

from pathlib import Path

from ml_workspace_lab import Run, ScriptRunConfig, Workspace
from tests.waiting import eventually

WORK = """
import os, sys, time
from pathlib import Path
from ml_workspace_lab import Run

folder = Path(sys.argv[1])
with (folder / "begun").open("a") as begun:
    begun.write(os.environ["SLURM_JOB_ID"] + " " + os.environ["SLURMD_NODENAME"] + "\\n")
run = Run.get_context()
step = 0
while not (folder / "enough").exists():
    run.log("step", step)
    print("line", step, flush=True)
    (folder / "new").write_text(str(step))
    os.replace(folder / "new", folder / "acknowledged")
    step += 1
    time.sleep(0.02)
"""


class History:
    """A script that goes on until it is told that it is enough, and what it did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "history"
        self.source = folder / "source"
        self.folder.mkdir()
        self.source.mkdir()
        (self.source / "work.py").write_text(WORK)

    def config(self, target: str) -> ScriptRunConfig:
        return ScriptRunConfig(self.source, "work.py", [str(self.folder)], compute_target=target)

    def submit(self, lab: Workspace, target: str) -> Run:
        """A run of it in its middle."""
        run = lab.experiment("e").submit(self.config(target))
        self.wait_for_more()
        return run

    @property
    def begun(self) -> list[tuple[str, str]]:
        """The job and the node of each time that it began."""
        path = self.folder / "begun"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(job, node) for job, node in map(str.split, lines)]

    @property
    def last(self) -> int:
        """The number of the last step that was acknowledged, -1 before the first."""
        path = self.folder / "acknowledged"
        return int(path.read_text()) if path.exists() else -1

    def wait_for_more(self) -> None:
        before = self.last
        eventually(lambda: self.last >= before + 3, 60, "the code goes on")

    def end(self) -> None:
        (self.folder / "enough").touch()

    def check(self, run: Run, *, whole_log: bool = True) -> None:
        """It began once, and every acknowledged metric and line is there, once. Of a runner that
        was killed, the last lines may be missing: they were on their way through it."""
        assert len(self.begun) == 1
        steps = run.get_metrics()["step"]
        assert steps[: self.last + 1] == list(range(self.last + 1))
        assert len(steps) == len(set(steps))
        lines = [line for line in run.get_log().splitlines() if line.startswith("line")]
        assert lines == [f"line {step}" for step in range(len(lines))]
        assert len(lines) > self.last or not whole_log
