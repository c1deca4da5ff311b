"""What breaks in a cluster, and what the driver says of it: nothing runs twice, every attempt is
over in the end, and no process is left."""

import signal
from pathlib import Path

from ml_workspace_lab.compute.driver import Handle, Phase
from ml_workspace_lab.compute.kubernetes.driver import KubernetesDriver
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings
from tests.conftest import eventually
from tests.engines.history import History
from tests.engines.kubernetes.controlplane import ControlPlane
from tests.engines.runs import attempt_of, launch, wait_for, wait_for_claim


def begin(driver: KubernetesDriver, history: History) -> Handle:
    handle = driver.submit(launch(history))
    wait_for_claim(history, handle)
    wait_for(driver, handle, Phase.RUNNING)
    return handle


def node_of(driver: KubernetesDriver, handle: Handle) -> str:
    return str(driver.probe([handle])[handle].native["node"])


def test_a_node_that_is_cut_off_goes_on_alone(
    driver: KubernetesDriver, history: History, plane: ControlPlane
) -> None:
    """This version of Kubernetes starts a second pod while the first one's process lives: it is
    refused, does nothing, and so the Job completes without the work being done."""
    handle = begin(driver, history)
    node = node_of(driver, handle)
    plane.cut(node)
    eventually(lambda: history.said(attempt_of(handle), "refused"), 60, "the second pod is refused")
    before = history.said(attempt_of(handle), "orders")
    eventually(
        lambda: history.said(attempt_of(handle), "orders") > before, what="the first goes on"
    )
    assert driver.probe([handle])[handle].phase is Phase.RUNNING
    history.tell(handle.run_id, "exit 0")
    eventually(lambda: history.said(attempt_of(handle), "ended"), what="the first one ends")
    plane.mend(node)
    assert wait_for(driver, handle, Phase.ENDED, Phase.ABSENT).is_over


def test_a_run_on_a_node_that_is_cut_off_can_be_canceled(
    driver: KubernetesDriver, history: History, plane: ControlPlane
) -> None:
    handle = begin(driver, history)
    node = node_of(driver, handle)
    plane.cut(node)
    driver.cancel(handle, grace_s=1)
    assert driver.probe([handle])[handle].phase is Phase.RUNNING
    driver.cancel(handle, grace_s=0, force=True)
    wait_for(driver, handle, Phase.ABSENT)
    history.closed.add(handle.run_id)
    plane.mend(node)
    eventually(lambda: not plane.jobs_processes(), what="its node ends it when it is back")


def test_a_node_that_dies_leaves_room_for_the_next_attempt(
    driver: KubernetesDriver, history: History, plane: ControlPlane
) -> None:
    handle = begin(driver, history)
    plane.kill_node(node_of(driver, handle))
    assert driver.probe([handle])[handle].phase is Phase.RUNNING, "silence alone says nothing"
    driver.cancel(handle, grace_s=0, force=True)
    wait_for(driver, handle, Phase.ABSENT)
    again = driver.submit(launch(history, run_id=handle.run_id, attempt=2))
    wait_for_claim(history, again)
    history.tell(handle.run_id, "exit 0")
    assert wait_for(driver, again, Phase.ENDED).exit_code == 0


def test_an_api_server_that_is_away_is_unreachable_and_nothing_else(
    driver: KubernetesDriver, history: History, plane: ControlPlane
) -> None:
    handle, other = begin(driver, history), begin(driver, history)
    plane.kill_api_server()
    assert wait_for(driver, handle, Phase.UNREACHABLE).reason.startswith(plane.url)
    [problem] = driver.check()
    assert "can't be reached" in problem.message
    history.tell(other.run_id, "exit 3")
    eventually(lambda: history.said(attempt_of(other), "ended"), what="what runs goes on")
    plane.start_api_server()
    assert wait_for(driver, handle, Phase.RUNNING).phase is Phase.RUNNING
    assert wait_for(driver, other, Phase.ENDED).exit_code == 3
    assert history.said(attempt_of(handle), "refused") == 0


def test_another_driver_goes_on_where_one_was_killed(
    driver: KubernetesDriver, settings: KubernetesSettings, history: History, tmp_path: Path
) -> None:
    handle = begin(driver, history)
    other = KubernetesDriver("lab", settings, tmp_path)
    assert other.find(handle.run_id, 1) == handle
    assert other.submit(launch(history, run_id=handle.run_id)) == handle
    history.tell(handle.run_id, "kill")
    assert wait_for(other, handle, Phase.ENDED).signal == signal.SIGKILL


def test_a_hundred_attempts_at_once_each_run_once(
    driver: KubernetesDriver, history: History
) -> None:
    wanted = [launch(history, cores=0.08) for _ in range(100)]
    handles = [driver.submit(one) for one in wanted]
    for handle in handles:
        history.tell(handle.run_id, "exit 0")
    eventually(
        lambda: all(p.phase is Phase.ENDED for p in driver.probe(handles).values()), 120, "all end"
    )
    assert {probe.exit_code for probe in driver.probe(handles).values()} == {0}
    assert all(history.said(attempt_of(handle), "ended") == 1 for handle in handles)
    assert not any(history.said(attempt_of(handle), "refused") for handle in handles)
