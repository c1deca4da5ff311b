"""Endpoints to score batches with, and a script that stops at a gate."""

from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from sklearn.linear_model import LinearRegression

from ml_workspace_lab import Endpoint, Model, Run, Workspace
from tests.conftest import arguments_of, eventually, of_workspace
from tests.endpoints.support import scale_endpoint

FRAME = pd.DataFrame({"a": [0.0, 1.0, 0.0], "b": [0.0, 0.0, 1.0]})

GATED = """
import os, time
from pathlib import Path

def init():
    global folder
    folder = Path({folder!r})

def run(mini_batch):
    first = int(mini_batch["x"].iloc[0])
    with (folder / "calls").open("a") as calls:
        calls.write(f"{{first}}\\n")
    if first >= {stop}:
        (folder / "begun").touch()
        while not (folder / "gate").exists():
            time.sleep(0.01)
    return mini_batch["x"] * 2
"""


def lines_endpoint(ws: Workspace) -> Endpoint:
    """y = 2 a + 3 b, of a data frame."""
    model = LinearRegression().fit(FRAME, [0, 2, 3])
    registered = Model.register(ws, "lines", model=model, input_example=FRAME)
    return Endpoint.deploy(ws, "lines", registered, engine="native")


def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(rows) % 100, "b": np.arange(rows) / 2})


class Gated:
    """A batch of `rows` numbers: from row `stop` on scoring waits until the gate is open."""

    def __init__(self, ws: Workspace, folder: Path, rows: int = 1000, stop: int = 500) -> None:
        self.folder = folder
        self.endpoint = scale_endpoint(ws, folder)
        self.data = folder / "numbers.csv"
        self.data.write_text("x\n" + "".join(f"{x}\n" for x in range(rows)))
        self.script = folder / "batch_script.py"
        self.script.write_text(GATED.format(folder=str(folder), stop=stop))

    def submit(self, **options: object) -> Run:
        options = {"mini_batch_size": 50, "max_concurrency_per_instance": 2, **options}
        return self.endpoint.invoke_batch(self.data, scoring_script=self.script, **options)

    def wait_until_begun(self) -> None:
        eventually((self.folder / "begun").exists, what="the script has come to the gate")

    def open(self) -> None:
        (self.folder / "gate").touch()

    def shut(self) -> None:
        for name in ("gate", "begun", "calls"):
            (self.folder / name).unlink(missing_ok=True)

    def calls(self) -> list[int]:
        return sorted(int(line) for line in (self.folder / "calls").read_text().split())


def ended(run: Run) -> Run:
    run.wait_for_completion(raise_on_error=False, timeout_seconds=180)
    return run


def programs(ws: Workspace) -> list[psutil.Process]:
    """The processes that conduct batches."""
    return [
        process
        for process in psutil.process_iter()
        if "score_batch.py" in arguments_of(process)
        and process.cwd().startswith(str(ws.connection.storage.root))  # type: ignore[attr-defined]
    ]


def runners(ws: Workspace) -> list[psutil.Process]:
    root = ws.connection.storage.root  # type: ignore[attr-defined]
    return [p for p in of_workspace(root) if "ml_workspace_lab.jobs.runner" in arguments_of(p)]
