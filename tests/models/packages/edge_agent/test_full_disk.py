"""A device whose disk is full goes on with what it has."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.jobs.runner.test_full_disks import needs_root
from tests.models.packages.edge_agent.device import Device
from tests.waiting import eventually


@pytest.fixture
def small(edge_device: Device) -> Iterator[Path]:
    """The agent's folder, on a disk of its own that holds an image or two."""
    folder = edge_device.folder
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield folder
    edge_device.clean()
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                return


@needs_root
def test_a_full_disk_costs_the_update_and_not_the_module(
    edge_device: Device, small: Path, image: Callable[[str], Path]
) -> None:
    edge_device.want(image("one"))
    edge_device.start()
    before = edge_device.runs(image("one"))
    fill(small / "ballast")
    edge_device.want(image("two"))
    eventually(lambda: "has no room" in edge_device.said(), 60, "the update waits for room")
    psutil.Process(before["pid"]).kill()

    def answers() -> bool:
        try:
            return bool(edge_device.ask().json["v"] == 1)
        except ConnectionError:
            return False

    eventually(lambda: not psutil.pid_exists(before["pid"]) and answers(), 60, "it answers again")
    # Nor is anything lost where the agent is killed now, which could not write down what it did.
    edge_device.stop(signal.SIGKILL)
    edge_device.start()
    eventually(lambda: edge_device.said().count("has no room") > 1, 60, "the next agent is there")
    eventually(answers, 60, "it answers still")
    (small / "ballast").unlink()
    edge_device.runs(image("two"))
    assert edge_device.processes() == [edge_device.module()["pid"]]
    assert shutil.disk_usage(small).free > 16 << 20
