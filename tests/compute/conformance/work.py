"""Work that goes on until it is told that it is enough, and writes down itself how often it began,
on which machine, and which of its values and lines were acknowledged."""

from pathlib import Path

import psutil

from ml_workspace_lab import Run, ScriptRunConfig, Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.engines.history import Event, check
from tests.waiting import eventually

WORK = """
import os, sys, time, uuid
from pathlib import Path
from ml_workspace_lab import Run

folder = Path(sys.argv[1])
nonce = uuid.uuid4().hex

def tell(what):
    with (folder / "events").open("a") as events:
        job, node = os.environ.get("SLURM_JOB_ID", "-"), os.environ.get("SLURMD_NODENAME", "-")
        events.write(f"{what} {nonce} {job} {node}\\n")

tell("claim")
run = Run.get_context()
step = 0
while not (folder / "enough").exists():
    run.log("step", step)
    print("line", step, flush=True)
    (folder / "new").write_text(str(step))
    os.replace(folder / "new", folder / "acknowledged")
    step += 1
    time.sleep(0.02)
Path("outputs", "steps").write_text(str(step))
tell("ended")
"""


class Work:
    """A script in a folder that every machine of a target sees, for one run that is tried once."""

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
        """Slurm's job and node of each time that it began."""
        return [(job, node) for what, _, job, node in self._told if what == "claim"]

    @property
    def last(self) -> int:
        """The number of the last step that was acknowledged, -1 before the first."""
        path = self.folder / "acknowledged"
        return int(path.read_text()) if path.exists() else -1

    def wait_for_more(self, steps: int = 3, seconds: float = 60) -> None:
        before = self.last
        eventually(lambda: self.last >= before + steps, seconds, "the code goes on")

    def end(self) -> None:
        (self.folder / "enough").touch()

    def processes(self) -> list[psutil.Process]:
        """Those of it that are there, on whichever machine."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(self.folder) in (process.info["cmdline"] or ())
        ]

    def wait_for_its_end(self, seconds: float = 60) -> None:
        """Until the code has ended, whether or not anybody hears of it."""
        self.end()
        eventually(lambda: any(what == "ended" for what, *_ in self._told), seconds, "it ends")

    def check(self, run: Run, *, whole_log: bool = True) -> None:
        """It began once and ended once, and every acknowledged value, line and artifact is there,
        once. Of a runner that was killed, the log's end may be missing: it was on its way through
        it."""
        check({(run.id, 1): [Event(what, nonce) for what, nonce, *_ in self._told]})
        assert len(self.begun) == 1
        assert len([change for change in run.status_history if change.state.is_terminal]) == 1
        steps = run.get_metrics()["step"]
        assert steps == list(range(len(steps)))
        assert len(steps) > self.last
        lines = [line for line in run.get_log().splitlines() if line.startswith("line")]
        log, printed = "\n".join(lines), "\n".join(f"line {step}" for step in range(len(lines)))
        assert log == printed or (not whole_log and printed.startswith(log))
        assert len(lines) > self.last or not whole_log
        if run.get_status() is RunState.COMPLETED:
            assert run.get_file_names() == ["outputs/steps"]
            assert run.read_artifact("outputs/steps") == str(self.last + 1).encode()

    @property
    def _told(self) -> list[list[str]]:
        path = self.folder / "events"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []
