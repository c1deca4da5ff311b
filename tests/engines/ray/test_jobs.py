"""What the driver and a real Ray make of one attempt."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ml_workspace_lab.compute.driver import Phase, Refused, Unreachable
from ml_workspace_lab.compute.ray.driver import RayDriver
from ml_workspace_lab.compute.ray.settings import RaySettings
from tests.conftest import eventually
from tests.engines.history import History
from tests.engines.ray.cluster import CORES, Cluster
from tests.engines.runs import attempt_of, launch, wait_for, wait_for_claim


def test_an_attempt_begins_runs_and_ends(driver: RayDriver, history: History) -> None:
    handle = driver.submit(launch(history))
    assert driver.find(handle.run_id, 1) == handle
    assert driver.find(handle.run_id, 2) is None
    wait_for_claim(history, handle)
    assert driver.probe([handle])[handle].phase is Phase.RUNNING
    history.tell(handle.run_id, "exit 0")
    assert wait_for(driver, handle, Phase.ENDED).exit_code == 0
    assert b"began" in driver.engine_log(handle)


def test_how_a_process_ended_is_told(driver: RayDriver, history: History) -> None:
    orders = ("exit 7", "kill", "exit 137")
    handles = [driver.submit(launch(history)) for _ in orders]
    for handle, order in zip(handles, orders, strict=True):
        history.tell(handle.run_id, order)
    seven, killed, by_a_shell = [wait_for(driver, handle, Phase.ENDED) for handle in handles]
    assert (seven.exit_code, seven.signal) == (7, None)
    assert seven.reason == "Job entrypoint command failed with exit code 7"
    for probe in (killed, by_a_shell):
        assert (probe.exit_code, probe.signal) == (None, 9)
        assert probe.reason == "killed by signal 9"


def test_an_attempt_that_is_submitted_again_runs_once(driver: RayDriver, history: History) -> None:
    wanted = launch(history)
    handles = {driver.submit(wanted) for _ in range(3)}
    # The look before is no more than politeness: Ray's own answer to a repeat is understood, too.
    driver.find = lambda run_id, attempt: None  # type: ignore[method-assign]
    handles.add(driver.submit(wanted))
    [handle] = handles
    wait_for_claim(history, handle)
    history.tell(handle.run_id, "exit 0")
    wait_for(driver, handle, Phase.ENDED)
    assert history.said(attempt_of(handle), "refused") == 0


def test_arguments_and_variables_arrive_as_they_are(
    driver: RayDriver, history: History, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    odd = ["", "a b", "'\"`$HOME\\", "*", "ä\n;", "$(touch x)"]
    code = "import json, os, sys; print(json.dumps([sys.argv[2:], os.environ['ODD']]),"
    code += " file=open(sys.argv[1], 'w'))"
    words = [sys.executable, "-c", code, str(out), *odd]
    wanted = replace(
        launch(history), argv=words, environment={"ODD": "x='y' \\ ä $HOME ${home} $$\n"}
    )
    wait_for(driver, driver.submit(wanted), Phase.ENDED)
    assert json.loads(out.read_text()) == [odd, "x='y' \\ ä $HOME ${home} $$\n"]


def test_a_canceled_attempt_has_its_grace(
    driver: RayDriver, history: History, cluster: Cluster
) -> None:
    gentle, stubborn = driver.submit(launch(history)), driver.submit(launch(history, "stubborn"))
    for handle in (gentle, stubborn):
        wait_for_claim(history, handle)
        driver.cancel(handle, grace_s=5)
        driver.cancel(handle, grace_s=5)
    assert wait_for(driver, gentle, Phase.ENDED).native["status"] == "STOPPED"
    assert history.said(attempt_of(gentle), "ended") == 1
    # Ray by itself would have killed it after three seconds; five were granted.
    before = history.said(attempt_of(stubborn), "orders")
    eventually(lambda: history.said(attempt_of(stubborn), "orders") > before, what="it goes on")
    wait_for(driver, stubborn, Phase.ENDED, seconds=30)
    assert history.said(attempt_of(stubborn), "termed") >= 1
    eventually(lambda: not cluster.jobs_processes(), what="no process is left")
    for handle in (gentle, stubborn):
        driver.cancel(handle, grace_s=5)  # over already: nothing to do


def test_a_job_that_asks_for_too_much_says_so_and_outlives_its_cancellation(
    driver: RayDriver, history: History
) -> None:
    handle = driver.submit(launch(history, cores=1000))
    probe = driver.probe([handle])[handle]
    assert probe.phase is Phase.PENDING
    assert "waiting for resources" in probe.reason
    driver.cancel(handle, grace_s=1)
    history.closed.add(handle.run_id)  # as the run's record says from here on
    assert driver.probe([handle])[handle].phase is Phase.PENDING, "Ray's issue 58353 is mended"


def test_what_is_canceled_while_it_waits_begins_nothing(
    driver: RayDriver, history: History
) -> None:
    blocking = driver.submit(launch(history, cores=CORES))
    wait_for_claim(history, blocking)
    waiting = driver.submit(launch(history, cores=CORES))
    driver.cancel(waiting, grace_s=5)
    history.closed.add(waiting.run_id)
    history.tell(blocking.run_id, "exit 0")
    wait_for(driver, waiting, Phase.ENDED)
    assert history.owner(attempt_of(waiting)) is None


def test_an_unknown_attempt_is_absent(driver: RayDriver, history: History) -> None:
    handle = driver.submit(launch(history))
    other = type(handle)("lab", "ws-unknown-a1", "0" * 32, 1)
    probes = driver.probe([handle, other])
    assert probes[other].phase is Phase.ABSENT
    assert probes[handle].phase in (Phase.PENDING, Phase.RUNNING)
    driver.cancel(other, grace_s=1)
    assert driver.engine_log(other) == b""


def test_a_variable_that_ray_would_change_is_refused(driver: RayDriver, history: History) -> None:
    with pytest.raises(Refused, match=r"take \$\{HOME\} out of the value of the variable PLACE"):
        driver.submit(replace(launch(history), environment={"PLACE": "a${HOME}"}))


def test_several_nodes_are_refused(driver: RayDriver, history: History) -> None:
    with pytest.raises(Refused, match="begins on one node"):
        driver.submit(launch(history, nodes=2))


def test_a_long_log_is_shown_from_its_end(driver: RayDriver, history: History) -> None:
    code = "import sys; sys.stdout.write('ä\\033[1m\\\\n\"\\n' * 300_000); print('the end')"
    handle = driver.submit(replace(launch(history), argv=[sys.executable, "-c", code]))
    wait_for(driver, handle, Phase.ENDED)
    tail = driver.engine_log(handle, 1000)
    assert len(tail) == 1000
    assert tail.endswith(b"the end\n")
    assert 'ä\033[1m\\n"\n' in tail.decode(errors="ignore")


def test_the_cluster_is_described(driver: RayDriver, cluster: Cluster) -> None:
    assert driver.check() == []
    capacity = driver.capacity()
    assert capacity.slots == CORES
    [node] = capacity.nodes  # the head has no cores
    assert (node.name, node.cores) == (cluster.worker.address, CORES)


@pytest.mark.parametrize(
    ("token", "words"), [(None, "token is missing"), ("wrong", "refuses the token")]
)
def test_a_missing_or_wrong_token_is_named(
    cluster: Cluster, tmp_path: Path, token: str | None, words: str
) -> None:
    file = None
    if token is not None:
        (tmp_path / "token").write_text(token)
        file = str(tmp_path / "token")
    driver = RayDriver("lab", RaySettings(cluster.url, token_file=file), tmp_path)
    [problem] = driver.check()
    assert words in problem.message
    with pytest.raises(Unreachable, match=words):
        driver.find("0" * 32, 1)
