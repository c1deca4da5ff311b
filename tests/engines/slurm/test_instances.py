"""Compute instances that are jobs of a real Slurm: work in one, stop it, break what holds it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from ml_workspace_lab import ComputeInstance, Workspace
from ml_workspace_lab.compute.instances.folder import InstanceFolder, JobRecord, LaunchFolder
from ml_workspace_lab.compute.instances.model import InstanceInfo, InstanceState, Trigger
from ml_workspace_lab.compute.model import AttachCompute, Resources
from ml_workspace_lab.errors import Conflict, NotFound, Unavailable
from tests.compute.instances.support import (
    Kernel,
    Server,
    launch_of,
    process_of,
    set_idle_seconds,
)
from tests.conftest import end_agents
from tests.engines.slurm.cluster import Cluster
from tests.engines.slurm.conftest import TARGET
from tests.engines.slurm.support import MEBIBYTE
from tests.waiting import eventually as soon

T = TypeVar("T")
RESOURCES = Resources(memory_bytes=1000 * MEBIBYTE)


def eventually(condition: Callable[[], T], what: str = "") -> T:
    """As elsewhere, for what may take several starts of a Jupyter server on a busy machine."""
    return soon(condition, 150, what)


def create(lab: Workspace, **more: object) -> ComputeInstance:
    wanted = {"compute_target": TARGET, "resources": RESOURCES, **more}
    return ComputeInstance.create(lab, "Nb1", **wanted)  # type: ignore[arg-type]


@pytest.fixture
def there(lab: Workspace) -> ComputeInstance:
    """An instance that runs."""
    return create(lab)


@pytest.fixture
def full(slurm: Cluster) -> Iterator[Callable[[], None]]:
    """No node takes a job, until this is called."""
    nodes = f"nodename={','.join(slurm.nodes)}"

    def resume() -> None:
        slurm.ask("scontrol", "update", nodes, "state=resume", check=False)

    slurm.ask("scontrol", "update", nodes, "state=drain", "reason=full")
    yield resume
    resume()


def record_of(launch: LaunchFolder) -> JobRecord:
    record = launch.read_job()
    assert record is not None
    return record


def state_of(instance: ComputeInstance) -> InstanceState:
    return instance.info().state


def wait_for(instance: ComputeInstance, state: InstanceState, text: str = "") -> InstanceInfo:
    def reached() -> InstanceInfo | None:
        info = instance.info()
        return info if info.state is state and text in info.reason else None

    found = eventually(reached, f"{state}, {text}")
    assert found is not None
    return found


def check_gone(slurm: Cluster) -> None:
    eventually(lambda: not slurm.ask("squeue", "--noheader"), "no job is left")
    eventually(lambda: not slurm.jobs_processes(), "no process is left")


def set_and_read(kernel: Kernel) -> str:
    return kernel.execute("import os; kept = 'kept'; print(os.environ['SLURM_JOB_ID'])").strip()


def test_its_user_works_in_it_there_and_what_was_done_outlives_the_job(
    lab: Workspace, slurm: Cluster
) -> None:
    there = create(
        lab,
        creation_script="echo made on $SLURMD_NODENAME >> made.txt",
        startup_script='echo "$USER_SAID" | wc -c',
        environment_variables={"USER_SAID": "the startup script"},
    )
    info = there.info()
    assert (info.state, info.last_operation.status) == (InstanceState.RUNNING, "Succeeded")
    assert (info.compute_target, info.resources) == (TARGET, RESOURCES)
    server = Server(there)
    assert server.base.startswith("http://127.0.0.1:")
    kernel = server.start_kernel()
    job = set_and_read(kernel)
    assert slurm.ask("squeue", "-h", f"--jobs={job}", "-o%T %C %m").split() == [
        "RUNNING", "1", "1000M",
    ]  # fmt: skip
    assert int(kernel.execute("print(os.getpid())")) in slurm.jobs_processes()
    code = """
from ml_workspace_lab import Workspace
Workspace.from_config().experiment("e").start_logging().complete()
open("kept.txt", "w").write("kept")
"""
    kernel.execute(code)
    assert len(lab.runs()) == 1
    made = Path(there.files().folder, "made.txt").read_text()
    assert made in [f"made on {node}\n" for node in slurm.nodes]
    log = there.get_logs()
    assert "\n19\n" in log
    launch = launch_of(lab, "Nb1").there(1)
    assert server.token not in log
    for path in (launch.order, launch.path / "config.json"):
        assert path.stat().st_mode & 0o077 == 0, path
    with pytest.raises(Conflict, match="has the compute instances Nb1"):
        lab.connection.computes.detach(TARGET)

    there.stop()
    check_gone(slurm)
    with pytest.raises(Unavailable, match="is Stopped"):
        _ = there.url
    there.start()
    again = Server(there)
    assert (again.base, again.token) == (server.base, server.token), "an open page finds it again"
    assert again.ask("GET", "api/contents/kept.txt?content=1")["content"] == "kept"
    assert set_and_read(again.start_kernel()) != job

    set_idle_seconds(lab, "Nb1", 1)
    info = wait_for(there, InstanceState.STOPPED, "No kernel and no terminal was at work for")
    assert info.last_operation.trigger is Trigger.IDLE_SHUTDOWN
    check_gone(slurm)
    there.delete()
    with pytest.raises(NotFound):
        there.info()


def test_one_that_waits_for_its_turn_says_so_and_can_be_stopped(
    lab: Workspace, slurm: Cluster, full: Callable[[], None]
) -> None:
    there = create(lab, wait=False)
    info = wait_for(there, InstanceState.CREATING, "PENDING")
    assert f"on {TARGET}: PENDING" in info.reason
    there.stop()
    check_gone(slurm)
    there.start(wait=False)
    wait_for(there, InstanceState.STARTING, "PENDING")
    full()
    assert there.wait_for_completion().state is InstanceState.RUNNING


def test_a_keeper_that_is_killed_leaves_kernels_and_address_as_they_are(
    lab: Workspace, there: ComputeInstance
) -> None:
    server = Server(there)
    kernel = server.start_kernel()
    job = set_and_read(kernel)
    process_of(lab, "Nb1").kill()
    eventually(lambda: there.info().restarts == 1)
    assert "keeper" in wait_for(there, InstanceState.RUNNING).reason
    again = Server(there)
    assert again.base == server.base
    assert Kernel(again, kernel.id).execute("print(kept)") == "kept\n"
    assert record_of(launch_of(lab, "Nb1")).native_id == job


def test_a_job_whose_keeper_and_agent_are_gone_is_ended_all_the_same(
    lab: Workspace, there: ComputeInstance, slurm: Cluster
) -> None:
    keeper = process_of(lab, "Nb1")
    keeper.suspend()
    end_agents(Path(lab.location))
    keeper.kill()
    there.stop()
    check_gone(slurm)
    there.start(wait=False)
    folder = InstanceFolder(Path(lab.location) / "instances" / "Nb1")
    eventually(lambda: any(one.has_job() for one in folder.launches()), "it is submitted")
    keeper = process_of(lab, "Nb1")
    there.delete(wait=False)
    keeper.kill()
    check_gone(slurm)


def test_a_server_that_is_killed_is_another_job(
    lab: Workspace, there: ComputeInstance, slurm: Cluster
) -> None:
    pid = int(Server(there).start_kernel().execute("import os; print(os.getppid())"))
    psutil.Process(pid).kill()
    eventually(lambda: there.info().restarts == 1)
    info = wait_for(there, InstanceState.RUNNING)
    assert "killed by signal 9 (SIGKILL)" in info.reason
    assert f"on {TARGET} ended: FAILED" in info.reason
    assert record_of(launch_of(lab, "Nb1")).attempt == 2
    assert len(slurm.ask("squeue", "--noheader").splitlines()) == 1


def test_a_server_whose_node_is_gone_is_started_on_another(
    lab: Workspace, there: ComputeInstance, slurm: Cluster
) -> None:
    pid = int(Server(there).start_kernel().execute("import os; print(os.getpid())"))
    node = slurm.node_of(pid)
    slurm.kill_node(node)
    eventually(lambda: there.info().restarts == 1)
    assert "NODE_FAIL" in wait_for(there, InstanceState.RUNNING).reason
    pid = int(Server(there).start_kernel().execute("import os; print(os.getpid())"))
    assert slurm.node_of(pid) != node


def test_a_controller_that_is_gone_leaves_it_alone(
    lab: Workspace, there: ComputeInstance, slurm: Cluster
) -> None:
    kernel = Server(there).start_kernel()
    slurm.wait_until_saved(set_and_read(kernel))
    slurm.kill_controller()
    eventually(lambda: "does not answer" in there.get_logs(), "it is noticed")
    assert state_of(there) is InstanceState.RUNNING
    assert kernel.execute("print(kept)") == "kept\n"
    there.stop(wait=False)
    assert state_of(there) is InstanceState.STOPPING
    slurm.start_controller()
    wait_for(there, InstanceState.STOPPED)
    check_gone(slurm)


def test_one_that_is_shut_down_from_inside_or_cancelled_there_is_stopped(
    lab: Workspace, there: ComputeInstance, slurm: Cluster
) -> None:
    Server(there).ask("POST", "api/shutdown")
    wait_for(there, InstanceState.STOPPED, "It was shut down from inside.")
    there.start()
    slurm.ask("scancel", record_of(launch_of(lab, "Nb1")).native_id)
    wait_for(there, InstanceState.STOPPED, f"on {TARGET} ended: CANCELLED")
    check_gone(slurm)


def test_what_can_not_be_there_is_told(lab: Workspace, slurm: Cluster) -> None:
    settings = {"config": str(slurm.conf), "poll_seconds": 0.2, "partition": "none-such"}
    lab.connection.computes.attach(AttachCompute("wrong", "slurm", settings, unchecked=True))
    with pytest.raises(Unavailable, match=r"(?s)CreateFailed: wrong does not take it: .*partition"):
        create(lab, compute_target="wrong")
    ComputeInstance(lab, "Nb1").delete()
    with pytest.raises(Unavailable, match=r"(?s)UserSetupFailed: The creation.*code 3.*so it is"):
        create(lab, creation_script="echo so it is; exit 3")
    check_gone(slurm)
    settings |= {"partition": "main", "python": "/none/python"}
    lab.connection.computes.attach(AttachCompute("bare", "slurm", settings, unchecked=True))
    ComputeInstance(lab, "Nb1").delete()
    with pytest.raises(Unavailable, match=r"(?s)CreateFailed: .*on bare ended: .*/none/python"):
        create(lab, compute_target="bare")
    check_gone(slurm)
