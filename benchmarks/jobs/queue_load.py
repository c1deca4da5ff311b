"""Many runs: how fast they are drained, and what submitting costs where many wait."""

import statistics
import tempfile
import time
from pathlib import Path

import notebooks
from figures import Figure
from peers import end_agent

from ml_workspace_lab import CommandConfig, NotebookRunConfig, Workspace
from ml_workspace_lab.compute.model import AttachCompute

TRIVIAL = "1 + 1"


def drain(count: int) -> list[Figure]:
    """Submit trivial notebooks one after the other; from the first submission to the last end."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        notebooks.write(Path(folder, "nb.ipynb"), TRIVIAL)
        store = Path(folder, "store")
        workspace = Workspace.create("bench", store)
        experiment = workspace.experiment("drain")
        config = NotebookRunConfig(folder, "nb.ipynb")
        experiment.submit(config).wait_for_completion()
        began = time.monotonic()
        for _ in range(count):
            experiment.submit(config)
        submitted = time.monotonic() - began
        while left := experiment.info().active_runs:
            time.sleep(min(0.05 * left, 2.0))
        took = time.monotonic() - began
        failed = [run for run in workspace.runs(limit=None) if run.get_status() != "Completed"]
        assert not failed, failed[:3]
        end_agent(store)
    return [
        Figure(f"{count:,} notebooks submitted", count / submitted, "/s"),
        Figure(f"{count:,} notebooks drained", count / took, "/s", least=8),
    ]


def submit(queued: int) -> list[Figure]:
    """Submit to a target that takes none, until so many wait; then measure a hundred more."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store = Path(folder, "store")
        Path(folder, "work").mkdir()
        workspace = Workspace.create("bench", store)
        workspace.connection.computes.attach(AttachCompute("shut", "local", {"slots": 0}))
        experiment = workspace.experiment("queue")
        config = CommandConfig(Path(folder, "work"), ["true"], compute_target="shut")
        for _ in range(queued):
            experiment.submit(config)
        took = []
        for _ in range(100):
            began = time.monotonic()
            experiment.submit(config)
            took.append(time.monotonic() - began)
        end_agent(store)
    middle = 1000 * statistics.median(took)
    return [Figure(f"submit with {queued:,} queued", middle, "ms", spread=took, most=20)]
