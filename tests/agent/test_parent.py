"""A background process that is killed comes back by itself; one that was asked to end does not."""

import signal
import sys
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.wake import PARENT, wake
from tests.conftest import agents, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it has no such parent")


def one_of(root: Path, module: str = "ml_workspace_lab.agent") -> psutil.Process:
    return eventually(lambda: agents(root, module))[0]


def test_one_that_is_killed_is_started_again(ws: Workspace) -> None:
    root = Path(ws.location)
    wake(root)
    first, parent = one_of(root), one_of(root, PARENT)
    assert first.parent() == parent
    first.kill()
    eventually(lambda: agents(root) and agents(root) != [first], what="there is another one")
    assert one_of(root, PARENT) == parent


def test_one_that_is_asked_to_end_stays_away(ws: Workspace) -> None:
    root = Path(ws.location)
    wake(root)
    one_of(root).send_signal(signal.SIGTERM)
    eventually(lambda: not agents(root, PARENT), what="its parent leaves")
    assert not agents(root)


def test_both_leave_when_there_is_nothing_to_do(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_WORKSPACE_AGENT_IDLE_SECONDS", "0.1")
    root = Path(ws.location)
    wake(root)
    both = [one_of(root, PARENT), *agents(root)]
    _, alive = psutil.wait_procs(both, timeout=30)
    assert not alive
