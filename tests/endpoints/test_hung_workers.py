"""A scoring process whose loop has stopped turning is told from one whose clock was set."""

import os
import time
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.endpoints import workers
from ml_workspace_lab.endpoints.folder import WorkerFolder
from ml_workspace_lab.endpoints.workers import Workers
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import FileLock
from ml_workspace_lab.workspace import folder
from tests.conftest import eventually

DAY = 24 * 60 * 60


@pytest.mark.parametrize("wrong", [-DAY, DAY])
def test_a_clock_that_is_set_ends_no_scoring_process(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    worker = WorkerFolder(tmp_path / "worker")
    lock = FileLock(worker.lock)
    assert lock.acquire(), "it is alive"
    known = Workers(Services(folder.open_(Path(ws.location))))

    def turn() -> None:
        worker.ready.touch()
        moment = time.time() + wrong
        os.utime(worker.ready, (moment, moment))

    for _ in range(3):
        turn()
        assert known.answers(worker)
    monkeypatch.setattr(workers, "HANG_SECONDS", 0.2)
    turn()
    assert known.answers(worker), "what it says was heard now"
    eventually(lambda: not known.answers(worker), what="then it says nothing")
    lock.release()
