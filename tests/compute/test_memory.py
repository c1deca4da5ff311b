"""A run is held to the memory that it asked for."""

from pathlib import Path

import pytest

from ml_workspace_lab import NotebookRunConfig, Workspace
from ml_workspace_lab.compute.memory import can_limit, group_of
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.model import NotebookJob, Retry, SubmitRun
from tests.compute.conformance.runs import HOG
from tests.conftest import eventually
from tests.notebooks import write_notebook

pytestmark = pytest.mark.skipif(not can_limit(), reason="this machine lets nobody limit memory")


def test_a_notebook_out_of_memory_says_its_peak_and_its_limit_and_is_tried_again(
    ws: Workspace, tmp_path: Path
) -> None:
    write_notebook(tmp_path / "ok.ipynb", "1")
    write_notebook(tmp_path / "hog.ipynb", "print('before', flush=True)", HOG)
    first = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "ok.ipynb"))
    body = SubmitRun(
        NotebookJob("hog.ipynb"),
        first.info().snapshot_id or "",
        resources=Resources(memory_bytes=250 << 20),
        retry=Retry(2, ["oom"], 0.0),
    )
    run = ws.run(ws.connection.jobs.submit("e", body).run_id)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=90)
    assert info.state is RunState.FAILED
    assert "kernel died: killed by signal 9" in info.reason or "SIGKILL" in info.reason
    assert "out of memory" in info.reason
    assert "of 250 MiB were in use" in info.reason
    queued = [change.reason for change in run.status_history if change.state == "Queued"]
    assert len(queued) == 2, "once at first, once more after the first attempt"
    assert "Attempt 1 failed" in queued[1]
    for attempt in (1, 2):
        path = group_of(f"ws-{run.id}-a{attempt}").path
        eventually(lambda path=path: not path.exists(), what="the group is taken away")
