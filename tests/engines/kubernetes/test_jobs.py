"""What the driver and a real control plane make of one attempt."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ml_workspace_lab.compute.driver import Phase, Refused
from ml_workspace_lab.compute.kubernetes.driver import KubernetesDriver
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings
from ml_workspace_lab.jobs import tickets
from tests.conftest import eventually
from tests.engines.history import History
from tests.engines.kubernetes.controlplane import ControlPlane, limits_memory
from tests.engines.runs import attempt_of, launch, wait_for, wait_for_claim

HOG = "import time; hog = b'x' * 300_000_000; time.sleep(1000)"


def test_an_attempt_begins_runs_and_ends(driver: KubernetesDriver, history: History) -> None:
    handle = driver.submit(launch(history))
    assert driver.find(handle.run_id, 1) == handle
    assert driver.find(handle.run_id, 2) is None
    wait_for_claim(history, handle)
    assert wait_for(driver, handle, Phase.RUNNING).native["node"] in ("n1", "n2")
    eventually(lambda: b"began" in driver.engine_log(handle), what="the log is live")
    assert len(driver.engine_log(handle, 3)) == 3
    history.tell(handle.run_id, "exit 0")
    assert wait_for(driver, handle, Phase.ENDED).exit_code == 0


def test_how_a_process_ended_is_told(driver: KubernetesDriver, history: History) -> None:
    orders = ("exit 7", "kill")
    handles = [driver.submit(launch(history)) for _ in orders]
    for handle, order in zip(handles, orders, strict=True):
        history.tell(handle.run_id, order)
    seven, killed = [wait_for(driver, handle, Phase.ENDED) for handle in handles]
    assert (seven.exit_code, seven.signal, seven.reason) == (7, None, "exit code 7")
    assert (killed.exit_code, killed.signal, killed.reason) == (None, 9, "killed by signal 9")


def test_an_attempt_that_is_submitted_again_runs_once(
    driver: KubernetesDriver, history: History
) -> None:
    wanted = launch(history)
    handles = {driver.submit(wanted) for _ in range(3)}
    [handle] = handles
    wait_for_claim(history, handle)
    history.tell(handle.run_id, "exit 0")
    wait_for(driver, handle, Phase.ENDED)
    assert driver.submit(wanted) == handle, "also when it is over"
    assert history.said(attempt_of(handle), "refused") == 0


def test_arguments_variables_and_the_ticket_arrive_as_they_are(
    driver: KubernetesDriver, history: History, plane: ControlPlane, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    odd = ["", "a b", "'\"`$HOME\\", "$(HOME) $$(HOME)", "ä\n;"]
    code = (
        "import json, os, sys; from pathlib import Path;"
        f" ticket = Path(os.environ['{tickets.VARIABLE}']);"
        " found = [sys.argv[2:], os.environ['ODD'], ticket.read_text(), ticket.stat().st_mode];"
        " Path(sys.argv[1]).write_text(json.dumps(found))"
    )
    wanted = replace(
        launch(history),
        argv=[sys.executable, "-c", code, str(out), *odd],
        environment={"ODD": odd[3], tickets.INLINE: "a secret"},
    )
    handle = driver.submit(wanted)
    assert wait_for(driver, handle, Phase.ENDED).exit_code == 0
    assert json.loads(out.read_text()) == [odd, odd[3], "a secret", 0o100400]
    [pod] = plane.items("/api/v1/namespaces/default/pods")
    assert "a secret" not in json.dumps(pod)
    driver.sweep(handle)
    driver.sweep(handle)
    assert plane.items("/api/v1/namespaces/default/secrets") == []


def test_a_ticket_of_a_submission_that_broke_off_is_replaced(
    driver: KubernetesDriver, history: History, plane: ControlPlane
) -> None:
    wanted = replace(launch(history), argv=["python3", "-c", ""])
    wanted = replace(wanted, environment={tickets.INLINE: "of now"})
    secret = {"metadata": {"name": wanted.name}, "data": {"ticket": "b2xk"}}
    plane.ask("POST", "/api/v1/namespaces/default/secrets", secret)
    handle = driver.submit(wanted)
    [found] = plane.items("/api/v1/namespaces/default/secrets")
    assert found["data"] == {"ticket": "b2Ygbm93"}
    driver.sweep(handle)


def test_a_canceled_attempt_has_its_grace_unless_by_force(
    driver: KubernetesDriver, history: History, plane: ControlPlane
) -> None:
    gentle, stubborn = driver.submit(launch(history)), driver.submit(launch(history, "stubborn"))
    for handle in (gentle, stubborn):
        wait_for_claim(history, handle)
        driver.cancel(handle, grace_s=5)
        driver.cancel(handle, grace_s=5)
    assert wait_for(driver, gentle, Phase.ABSENT).reason == "Kubernetes has no such Job"
    assert history.said(attempt_of(gentle), "ended") == 1
    assert driver.probe([stubborn])[stubborn].phase is Phase.RUNNING
    driver.cancel(stubborn, grace_s=0, force=True)
    wait_for(driver, stubborn, Phase.ABSENT)
    assert history.said(attempt_of(stubborn), "termed") >= 1
    eventually(lambda: not plane.jobs_processes(), what="no process is left")
    driver.cancel(stubborn, grace_s=0, force=True)


def test_a_pod_that_fits_nowhere_says_why_and_can_be_canceled(
    driver: KubernetesDriver, history: History
) -> None:
    handle = driver.submit(launch(history, cores=1000))

    def unschedulable() -> bool:
        return "Insufficient cpu" in driver.probe([handle])[handle].reason

    eventually(unschedulable, what="the scheduler's word")
    probe = driver.probe([handle])[handle]
    assert probe.phase is Phase.PENDING
    assert probe.reason == "Unschedulable: 0/2 nodes are available: 2 Insufficient cpu."
    driver.cancel(handle, grace_s=5)
    wait_for(driver, handle, Phase.ABSENT)
    assert history.owner(attempt_of(handle)) is None


def test_a_time_limit_ends_the_attempt_also_where_its_runner_does_not(
    driver: KubernetesDriver, history: History
) -> None:
    handle = driver.submit(launch(history, "stubborn", walltime_s=1, grace_s=1))
    probe = wait_for(driver, handle, Phase.ENDED)
    assert probe.cause == "timeout"
    assert probe.reason.startswith("DeadlineExceeded: Pod was active on the node longer")


@pytest.mark.skipif(not limits_memory(), reason="needs memory control groups that can be written")
def test_memory_over_the_limit_is_told(driver: KubernetesDriver, history: History) -> None:
    wanted = launch(history, memory_bytes=100_000_000)
    handle = driver.submit(replace(wanted, argv=[sys.executable, "-c", HOG]))
    probe = wait_for(driver, handle, Phase.ENDED)
    assert (probe.cause, probe.signal) == ("oom", 9)
    assert probe.reason == "OOMKilled: it exceeded its memory limit, killed by signal 9"


def test_several_nodes_and_what_the_server_does_not_take_are_refused(
    driver: KubernetesDriver, settings: KubernetesSettings, history: History, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="one pod, on one node"):
        driver.submit(launch(history, nodes=2))
    odd = msgspec.structs.replace(settings, node_selector={"not a key!": "x"})
    with pytest.raises(Refused, match=r"is invalid: spec\.template\.spec\.nodeSelector"):
        KubernetesDriver("lab", odd, tmp_path).submit(launch(history))
    elsewhere = msgspec.structs.replace(settings, namespace="elsewhere")
    with pytest.raises(Refused, match='cannot create resource "jobs"'):
        KubernetesDriver("lab", elsewhere, tmp_path).submit(launch(history))


def test_the_cluster_is_described(driver: KubernetesDriver) -> None:
    assert driver.check() == []
    capacity = driver.capacity()
    assert capacity.slots is None
    assert [(n.name, n.state, n.cores, n.gpus) for n in capacity.nodes] == [
        ("n1", "Ready", 4, 1),
        ("n2", "Ready", 4, 1),
    ]


def test_missing_rights_are_named(
    settings: KubernetesSettings, plane: ControlPlane, tmp_path: Path
) -> None:
    nobody = str(plane.kubeconfig("nobody", name="nobody"))
    other = msgspec.structs.replace(settings, kubeconfig=nobody)
    [problem] = KubernetesDriver("lab", other, tmp_path).check()
    assert problem.message == (
        "The account may not do this in the namespace default: create jobs, get jobs, list jobs,"
        " delete jobs, list pods, delete pods, get pods/log, create secrets, update secrets,"
        " delete secrets."
    )
    unknown = str(plane.kubeconfig("unknown", name="unknown"))
    other = msgspec.structs.replace(settings, kubeconfig=unknown)
    [problem] = KubernetesDriver("lab", other, tmp_path).check()
    assert "does not know the caller (401)" in problem.message
