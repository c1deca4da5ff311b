"""A job that fills the disk: it ends, and says why, as soon as there is room to write that down."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.test_full_disk import SMALL, can_mount

CODE = """
import sys
from pathlib import Path
from ml_workspace_lab import CommandConfig, Workspace
from tests.conftest import end_agents, eventually

root = Path(sys.argv[1])
(root / "code").mkdir()
ballast = root / "ballast"
ballast.write_bytes(b"x" * 1_000_000)
ws = Workspace.create("lab", root / "store")
fill = "echo begun; cat /dev/zero > outputs/zeros"
run = ws.experiment("e").submit(CommandConfig(root / "code", ["sh", "-c", fill]))
eventually(lambda: "No space left" in run.get_log() or "space" in run.get_log(), what="full")
ballast.unlink()
info = run.wait_for_completion(raise_on_error=False, timeout_seconds=60)
assert info.state == "Failed", info
assert "exit code" in info.reason or "full" in info.reason, info
assert run.get_log().startswith("begun")
end_agents(root / "store")
print("ended")
"""


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a small disk")
def test_a_job_that_fills_the_disk_fails_with_its_reason(tmp_path: Path) -> None:
    assert "'" not in CODE
    command = SMALL.format(folder=tmp_path, python=sys.executable, code=CODE).replace("3m", "8m")
    ended = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.stdout == "ended\n", ended.stderr
