"""Disks that are full at the runner or at the workspace: the run goes on to its true end."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually
from tests.jobs.runner.harness import Far


def can_mount_here() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


needs_root = pytest.mark.skipif(not can_mount_here(), reason="mounting a small disk needs root")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@needs_root
def test_a_full_disk_of_the_runner_costs_lines_and_not_the_run(
    far: Callable[..., Far], small: Path, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    script = (
        'echo begun; cat /dev/zero > "$SMALL/ballast" 2> /dev/null; seq 1 300000;'
        " echo almost; exit 3"
    )
    one = far(CommandConfig(tmp_path / "code", ["sh", "-c", script]))
    runner = one.start(ML_WORKSPACE_SPOOL=str(small / "spool"), SMALL=str(small))
    assert runner.wait(120) == 0, one.engine_log()
    info = one.run.info()
    assert (info.state, info.reason) == (RunState.FAILED, "The program ended with exit code 3.")
    log = one.run.get_log()
    assert log.startswith("begun\n")
    told = one.run.workspace.connection.attempts.list(one.run.id).items[0]
    numbers = [line for line in log.splitlines() if line.isdecimal()]
    assert told.exit_code == 3
    if told.dropped_bytes:
        assert "of output are missing here" in log
        assert len(numbers) < 300_000
    else:
        assert len(numbers) == 300_000


@needs_root
def test_a_full_disk_of_the_artifacts_is_waited_for(
    far: Callable[..., Far], tmp_path: Path
) -> None:
    """The workspace has no room for the artifact: nothing of it is kept; it is sent again."""
    (tmp_path / "code").mkdir()
    script = "head -c 6000000 /dev/zero > outputs/big; echo made"
    one = far(CommandConfig(tmp_path / "code", ["sh", "-c", script]))
    blobs = Path(one.run.workspace.location) / "blobs"
    held = tmp_path / "held"
    shutil.copytree(blobs, held)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", blobs], check=True)
    try:
        shutil.copytree(held, blobs, dirs_exist_ok=True)
        runner = one.start()
        eventually(lambda: one.run.get_status() is RunState.FINALIZING, 60)
        eventually(lambda: "made" in one.run.get_log(), 60)
        assert one.run.get_file_names() == []
        subprocess.run(["mount", "-o", "remount,size=40m", blobs], check=True)
        assert runner.wait(120) == 0, one.engine_log()
        assert one.run.info().state is RunState.COMPLETED
        assert one.run.read_artifact("outputs/big") == bytes(6_000_000)
        left = [path for path in blobs.rglob(".*") if path.is_file()]
        assert left == [], "no part is left"
    finally:
        subprocess.run(["umount", "-l", blobs], check=True)
