"""The processes that a workspace has for itself."""

from pathlib import Path

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.wake import LOG, LONG_LOG, wake
from tests.conftest import agents, end_agents, eventually


def test_what_earlier_ones_said_is_kept_and_takes_its_room_once(ws: Workspace) -> None:
    root = Path(ws.location)
    log, former = root / LOG, root / "agent.1.log"
    former.write_text("long ago")
    log.write_text("said before\n")
    wake(root)
    eventually(lambda: agents(root))
    assert log.read_text().startswith("said before\n")
    assert former.read_text() == "long ago"
    end_agents(root)
    log.write_bytes(b"x" * (LONG_LOG + 1))
    wake(root)
    eventually(lambda: agents(root))
    assert former.stat().st_size == LONG_LOG + 1
    assert log.stat().st_size < 1000
