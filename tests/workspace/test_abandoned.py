"""What processes that were killed have left in a workspace's folder goes within a day by itself."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.agent.abandoned import INTERVAL, Abandoned
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.storage.uploads import KEPT_SECONDS
from tests.conftest import eventually

DIES = """
import os, sys
from pathlib import Path
from ml_workspace_lab.storage.storage import Storage

class Killing:
    def __init__(self, parts):
        self.parts = parts
    def read(self, size):
        if self.parts == 0:
            os.kill(os.getpid(), 9)
        self.parts -= 1
        return b"x" * size

storage = Storage(Path(sys.argv[1]))
if sys.argv[2] == "content":
    storage.blobs.add(Killing(3))
else:
    storage.uploads.missing("it", 2)
    storage.uploads.put_part("it", 1, Killing(3))
"""


def leave(root: Path, what: str) -> Path:
    """What a process leaves that is killed while it keeps something."""
    before = found(root)
    words = [sys.executable, "-c", DIES, str(root), what]
    assert subprocess.run(words, check=False).returncode == -9
    [left] = found(root) - before
    return left


def found(root: Path) -> set[Path]:
    contents = {path for path in (root / "blobs").glob(".*") if path.is_file()}
    return contents | set(root.glob("uploads/*"))


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_it_is_gone_without_anybody_asking_for_that(ws: Workspace) -> None:
    root = Path(ws.location)
    old = [leave(root, what) for what in ("content", "upload")]
    for path in old:
        age(path, KEPT_SECONDS + 60)
    new = leave(root, "content")
    wake(root)
    eventually(lambda: not any(path.exists() for path in old), 60, "they are gone")
    assert new.exists(), "somebody may still be writing it"
    assert KEPT_SECONDS + INTERVAL < 24 * 3600


def test_it_is_looked_for_once_an_hour(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(ws.location)
    abandoned = Abandoned(Services(Storage(root)))
    abandoned.step()
    left = leave(root, "content")
    age(left, KEPT_SECONDS + 60)
    abandoned.step()
    assert left.exists()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + INTERVAL + 1)
    abandoned.step()
    assert not left.exists()
