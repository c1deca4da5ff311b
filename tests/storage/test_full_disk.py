"""A full disk: what was acknowledged stays, what is refused is refused whole."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = "mount -t tmpfs -o size=3m tmpfs {folder} && exec {python} -c '{code}' {folder}"

CODE = """
import os, sys
from pathlib import Path
from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import StorageFull

root = Path(sys.argv[1])
ws = Workspace.create("lab", root / "store")
run = ws.experiment("e").start_logging()
run.log("loss", 0)
ballast = root / "ballast"
with ballast.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass

def refused(action):
    try:
        action()
    except StorageFull as error:
        assert "full" in error.message and error.hint, error
        return
    raise AssertionError("this was not refused")

def log_until_full():
    for step in range(1, 10**6):
        run.log("loss", step)
        acknowledged.append(step)

acknowledged = [0]
refused(log_until_full)
refused(lambda: [ws.experiment("e").start_logging(str(n)) for n in range(2000)])
refused(lambda: run._put("large.bin", os.urandom(100_000)))
assert run.get_metrics()["loss"] == acknowledged, "all that was acknowledged, and nothing else"
ballast.unlink()
run.log("loss", -1)
run._put("large.bin", os.urandom(100_000))
run.complete()
assert run.get_metrics()["loss"] == [*acknowledged, -1]
again = Workspace.open(root / "store")
assert again.run(run.id).get_status() == "Completed"
assert again.diagnose().items[0].level == "Information"
print("held")
"""


def can_mount() -> bool:
    probe = ["unshare", "--mount", "--map-root-user", "true"]
    return bool(shutil.which("unshare")) and subprocess.run(probe, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a small disk")
def test_everything_is_refused_whole_and_works_again_afterwards(tmp_path: Path) -> None:
    assert "'" not in CODE
    command = SMALL.format(folder=tmp_path, python=sys.executable, code=CODE)
    ended = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stdout == "held\n", ended.stderr
