"""Instances with real Jupyter servers: work in one, stop it, break it, lose what looks after it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from ml_workspace_lab import ComputeInstance, Workspace
from ml_workspace_lab.compute.instances import store
from ml_workspace_lab.compute.instances.folder import InstanceFolder
from ml_workspace_lab.compute.instances.model import InstanceState, SetupScript, Trigger
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.errors import Conflict, NotFound, Unavailable
from tests.compute.instances.support import (
    Server,
    launch_of,
    process_of,
    set_idle_seconds,
)
from tests.conftest import agents, end_agents, end_work, of_workspace
from tests.conftest import eventually as soon

T = TypeVar("T")


def eventually(condition: Callable[[], T], what: str = "") -> T:
    """As elsewhere, for what may take several starts of a Jupyter server on a busy machine."""
    return soon(condition, 150, what)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace whose background process all of these tests have in common."""
    root = tmp_path_factory.mktemp("instances") / "store"
    workspace = Workspace.create("lab", root)
    yield workspace
    end_work(workspace)
    eventually(lambda: not of_workspace(root), what="all processes end")
    end_agents(root)


@pytest.fixture
def nb(shared: Workspace) -> ComputeInstance:
    """An instance that runs, the same for all tests: starting one takes seconds."""
    if "nb1" not in shared.compute_instances:
        return ComputeInstance.create(
            shared,
            "nb1",
            creation_script="echo made >> made.txt",
            startup_script='echo "hello from $USER_SAID"; echo started >> started.txt',
            environment_variables={"USER_SAID": "the startup script"},
        )
    there = ComputeInstance(shared, "nb1")
    return there if there.info().state is InstanceState.RUNNING else there.start()


def root_of(ws: Workspace) -> Path:
    return Path(ws.location)


def state_of(instance: ComputeInstance) -> InstanceState:
    return instance.info().state


def test_its_user_works_in_it_and_what_was_done_outlives_stop_and_start(
    shared: Workspace, nb: ComputeInstance
) -> None:
    info = nb.info()
    assert (info.state, info.last_operation.status) == (InstanceState.RUNNING, "Succeeded")
    assert (info.last_operation.name, info.last_operation.trigger) == ("Create", Trigger.USER)
    server = Server(nb)
    kernel = server.start_kernel()
    assert kernel.execute("import os; print(os.environ['USER_SAID'])") == "the startup script\n"
    code = """
get_ipython().run_line_magic("load_ext", "ml_workspace_lab")
from ml_workspace_lab import Workspace
print(Workspace.from_config().location)
open("kept.txt", "w").write("kept")
"""
    assert kernel.execute(code).strip().splitlines()[-1] == shared.location
    inside = server.ask("GET", "ml-workspace-lab/api/v1/workspace")
    assert inside["name"] == "lab", "the extension serves this workspace there"
    log = nb.get_logs()
    assert "hello from the startup script" in log
    for secret in (server.token, "the startup script"):
        assert secret not in json.dumps(nb.get_details())
    launch = launch_of(shared, "nb1")
    for path in (launch.order, launch.path / "config.json", launch.instance.token):
        assert path.stat().st_mode & 0o077 == 0, path
    assert server.token not in " ".join([log, *process_of(shared, "nb1").cmdline()])

    nb.stop()
    info = nb.info()
    assert (info.state, info.last_operation.name) == (InstanceState.STOPPED, "Stop")
    eventually(lambda: not of_workspace(root_of(shared)), what="kernels go with the server")
    with pytest.raises(Unavailable, match="is Stopped"):
        _ = nb.url
    with pytest.raises(Conflict, match="is Stopped: it can't be asked to restart"):
        nb.restart()

    nb.start()
    again = Server(nb)
    assert (again.base, again.token) == (server.base, server.token), "an open page finds it again"
    assert again.ask("GET", "api/contents/kept.txt?content=1")["content"] == "kept"
    files = Path(nb.files().folder)
    assert (files / "made.txt").read_text() == "made\n"
    assert (files / "started.txt").read_text() == "started\nstarted\n"


def test_a_killed_server_is_started_again_and_one_shut_down_is_not(
    shared: Workspace, nb: ComputeInstance
) -> None:
    pid = int(Server(nb).start_kernel().execute("import os; print(os.getpid())"))
    kernel, before = psutil.Process(pid), nb.info().restarts
    process_of(shared, "nb1").kill()
    info = eventually(lambda: (i := nb.info()).restarts > before and i.state == "Running" and i)
    assert "killed by signal 9 (SIGKILL)" in info.reason
    assert not kernel.is_running(), "what it had started is gone"
    # As JupyterLab's menu does it.
    Server(nb).ask("POST", "api/shutdown")
    eventually(lambda: state_of(nb) is InstanceState.STOPPED)
    assert nb.info().reason == "It was shut down from inside."


def test_a_killed_agent_leaves_the_server_to_the_next_one(
    shared: Workspace, nb: ComputeInstance
) -> None:
    before, server, root = process_of(shared, "nb1"), Server(nb), root_of(shared)
    restarts = nb.info().restarts
    end_agents(root)
    assert server.ask("GET", "api/status")["kernels"] == 0, "nobody needs the agent to work"
    wake(root)
    eventually(lambda: agents(root))
    nb.update(tags={"a": "b"})
    assert process_of(shared, "nb1") == before
    before.suspend()  # and so can't have the next agent there
    end_agents(root)
    before.kill()
    eventually(lambda: state_of(nb) is InstanceState.UNKNOWN, what="nobody sees to it")
    wake(root)
    info = eventually(lambda: (i := nb.info()).restarts > restarts and i.state == "Running" and i)
    assert "lost" in info.reason
    assert process_of(shared, "nb1") != before


def test_a_busy_kernel_is_never_stopped_and_an_idle_one_is(
    shared: Workspace, nb: ComputeInstance, tmp_path: Path
) -> None:
    kernel = Server(nb).start_kernel()
    gate = tmp_path / "gate"
    kernel.begin(f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)")
    eventually(lambda: kernel.state() == "busy")
    set_idle_seconds(shared, "nb1", 1)
    # One with the same rule is looked at as often: when it is stopped, this one was spared.
    other = ComputeInstance.create(shared, "other")
    set_idle_seconds(shared, "other", 1)
    eventually(lambda: state_of(other) is InstanceState.STOPPED, what="the idle one is stopped")
    assert state_of(nb) is InstanceState.RUNNING
    assert kernel.state() == "busy"
    gate.touch()
    eventually(lambda: state_of(nb) is InstanceState.STOPPED, what="it is stopped when idle")
    info = nb.info()
    assert info.last_operation.trigger is Trigger.IDLE_SHUTDOWN
    assert info.reason == info.last_operation.reason
    assert "No kernel and no terminal was at work for" in info.reason


def test_schedules_start_and_stop_it_and_say_so(shared: Workspace) -> None:
    """It is stopped since the test before, or never was there."""
    database = shared.connection.storage.database  # type: ignore[attr-defined]
    there = ComputeInstance(shared, "nb1")
    set_idle_seconds(shared, "nb1", 3600)
    for action, state in (("start", "Running"), ("stop", "Stopped")):
        there.update(schedules=[f"{action} * * * * * Europe/Berlin", "start 0 8 * * 1-5 UTC"])
        assert all(one.next for one in there.info().schedules)
        # As if they had been there since before the last full minute.
        store.done_until(database, "nb1", 0)
        info = eventually(lambda s=state: (i := there.info()).state == s and i)
        assert info.last_operation.trigger is Trigger.SCHEDULE
        assert f"{action} at * * * * * (Europe/Berlin)" in info.last_operation.reason


def test_deleting_says_what_goes_and_leaves_nothing(shared: Workspace) -> None:
    there = ComputeInstance(shared, "nb1")
    kept = there.files()
    assert kept.files >= 3
    assert there.delete() == kept
    assert not Path(kept.folder).parent.exists()
    with pytest.raises(NotFound):
        there.info()


@pytest.mark.parametrize(
    ("script", "minutes", "reason"),
    [
        ("echo line one\necho the last line >&2\nexit 3", 1, "exit code 3.*the last line"),
        ("echo waiting; sleep 1000 & sleep 1000", 0.01, "did not end within 0.01 min.*waiting"),
        ("kill -9 $$", 1, r"killed by signal 9 \(SIGKILL\)"),
    ],
)
def test_a_script_that_fails_is_told_with_its_last_lines(
    shared: Workspace, script: str, minutes: float, reason: str
) -> None:
    with pytest.raises(Unavailable, match=f"(?s)UserSetupFailed: The creation script.*{reason}"):
        ComputeInstance.create(shared, "failing", creation_script=SetupScript(script, minutes))
    made = ComputeInstance(shared, "failing")
    assert made.info().last_operation.status == "CreateFailed"
    eventually(lambda: not of_workspace(root_of(shared) / "instances" / "failing"))
    made.delete()


def test_a_script_that_prints_on_and_on_does_not_fill_the_disk(shared: Workspace) -> None:
    script = """
echo the first line
yes 'one of many lines' | head -c 5000000
until [ -e ../log.1.txt ]; do sleep 0.1; done
echo the last line
exit 3
"""
    with pytest.raises(Unavailable, match=r"(?s)exit code 3.*the last line"):
        ComputeInstance.create(shared, "talking", creation_script=script)
    made = ComputeInstance(shared, "talking")
    log = InstanceFolder(root_of(shared) / "instances" / "talking").log
    assert log.path.stat().st_size < 1_000_000, "it goes on in a new part"
    text = made.get_logs()
    assert text.startswith("The creation script:\nthe first line\none of many lines\n")
    assert text.endswith("the last line\n")
    made.delete()
