"""The keeper of the job that is an instance's server; processes of this machine are the engine."""

import http.client
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.instances.activity import ask
from ml_workspace_lab.compute.instances.folder import (
    InstanceFolder,
    LaunchFolder,
    Order,
    said_in,
)
from ml_workspace_lab.compute.instances.model import InstanceState, SetupScript, SetupScripts
from ml_workspace_lab.compute.instances.placement import Placement
from ml_workspace_lab.compute.instances.supervisor import KEEPER
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.compute.wake import clean_environment
from tests.waiting import eventually

Keeper = subprocess.Popen[bytes]
PATIENCE_SECONDS = 90
TOKEN = "of-this-test"


@pytest.fixture
def database_url() -> None:
    """Records are none of a keeper's business."""


@pytest.fixture
def launch(ws: Workspace) -> LaunchFolder:
    """A start that nobody has begun."""
    folder = InstanceFolder(Path(ws.location) / "instances" / "nb1")
    folder.make(TOKEN)
    return folder.launch(7)


@pytest.fixture
def keep(ws: Workspace, launch: LaunchFolder) -> Iterator[Callable[..., Keeper]]:
    """Starts a keeper, the first with the server's scripts."""
    started: list[Keeper] = []

    def start(startup: str = "") -> Keeper:
        if not launch.order.exists():
            place = Placement("here", "local", {}, Resources(), "ada")
            scripts = SetupScripts(startup=SetupScript(startup) if startup else None)
            launch.make(Order("nb1", ws.location, None, scripts, {"A": "b"}, 0, place))
        words = [sys.executable, "-m", KEEPER, str(launch.path)]
        log = launch.instance.log.path.open("ab")
        started.append(subprocess.Popen(words, env=clean_environment(), stdout=log, stderr=log))
        log.close()
        return started[-1]

    yield start
    if launch.has_job():
        launch.ask_to_end()
        end_of(start())
    for keeper in started:
        keeper.kill()
        keeper.wait()


def end_of(keeper: Keeper) -> int:
    return keeper.wait(PATIENCE_SECONDS)


def wait_until_it_runs(launch: LaunchFolder) -> None:
    eventually(lambda: answers(launch), PATIENCE_SECONDS, "its server answers")


def answers(launch: LaunchFolder) -> bool:
    address = launch.address()
    if address is None or launch.read_phase() is not InstanceState.RUNNING:
        return False
    try:
        return ask(address, TOKEN).busy == 0
    except (OSError, http.client.HTTPException):
        return False


def job_of(launch: LaunchFolder) -> psutil.Process:
    record = launch.read_job()
    assert record is not None
    return psutil.Process(int(record.native_id.partition(":")[0]))


def has_ended(job: psutil.Process) -> bool:
    return not job.is_running() or job.status() == psutil.STATUS_ZOMBIE


def test_another_keeper_goes_on_with_the_same_job_and_ends_it(
    keep: Callable[..., Keeper], launch: LaunchFolder
) -> None:
    first = keep('echo "A is $A"')
    wait_until_it_runs(launch)
    job = job_of(launch)
    address = launch.address()
    assert address is not None
    assert (address.host, address.base_url) == ("127.0.0.1", "/nb1/")
    assert "A is b" in launch.instance.log.since(0)
    first.terminate()
    assert end_of(first) != 0, "a signal is no wish to end the job"
    assert job.is_running()
    launch.phase.unlink()
    second = keep()
    wait_until_it_runs(launch)
    assert job_of(launch) == job
    launch.ask_to_end()
    assert end_of(second) == 0
    assert has_ended(job)
    assert not launch.has_job()
    assert not launch.ended.exists(), "it was not shut down by itself"
    assert not launch.there(1).path.exists()


def test_a_job_that_is_lost_is_told_and_the_next_one_is_another_attempt(
    keep: Callable[..., Keeper], launch: LaunchFolder
) -> None:
    keeper = keep()
    wait_until_it_runs(launch)
    job_of(launch).kill()
    assert end_of(keeper) == 1
    assert "on here ended: killed by signal 9 (SIGKILL)" in said_in(launch.ending)
    launch.phase.unlink()
    keep()
    wait_until_it_runs(launch)
    record = launch.read_job()
    assert record is not None
    assert record.attempt == 2


def test_a_server_that_is_shut_down_from_inside_has_ended_in_order(
    keep: Callable[..., Keeper], launch: LaunchFolder
) -> None:
    keeper = keep()
    wait_until_it_runs(launch)
    job_of(launch).terminate()
    assert end_of(keeper) == 0
    assert (launch.ended.exists(), said_in(launch.ended)) == (True, "")


def test_a_script_that_fails_there_is_told_here(
    keep: Callable[..., Keeper], launch: LaunchFolder
) -> None:
    assert end_of(keep("echo so it is; exit 3")) == 1
    assert "ended with exit code 3. It said last:\nso it is" in launch.read_error()
    assert launch.read_phase() is InstanceState.USER_SETTING_UP
    assert not launch.has_job()


def test_one_that_is_removed_with_its_workspace_leaves_no_job(
    keep: Callable[..., Keeper], launch: LaunchFolder
) -> None:
    keeper = keep()
    wait_until_it_runs(launch)
    job = job_of(launch)
    launch.remove()
    end_of(keeper)
    eventually(lambda: has_ended(job), PATIENCE_SECONDS, "its server leaves, too")
