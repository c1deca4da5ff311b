"""What breaks in a Ray cluster, and what the driver says of it: nothing runs twice, every attempt
is over in the end, and no process is left."""

import json
import signal
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from ml_workspace_lab.compute.driver import Handle, Phase
from ml_workspace_lab.compute.ray.driver import RayDriver
from ml_workspace_lab.compute.ray.request import request_for
from tests.conftest import eventually
from tests.engines.history import History
from tests.engines.ray.cluster import TOKEN, Cluster
from tests.engines.runs import attempt_of, launch, wait_for, wait_for_claim

OVER = (Phase.ENDED, Phase.ABSENT)


def begin(driver: RayDriver, history: History) -> Handle:
    handle = driver.submit(launch(history))
    wait_for_claim(history, handle)
    return handle


def check_that_it_works_again(driver: RayDriver, history: History, handle: Handle) -> None:
    """The next attempt at the same run does what the first did not."""
    again = driver.submit(launch(history, run_id=handle.run_id, attempt=2))
    wait_for_claim(history, again)
    history.tell(handle.run_id, "exit 0")
    assert wait_for(driver, again, Phase.ENDED).exit_code == 0


def test_a_supervisor_that_is_killed_takes_its_runner_along(
    driver: RayDriver, history: History, cluster: Cluster
) -> None:
    handle = begin(driver, history)
    cluster.kill_supervisor(handle.run_id)
    probe = wait_for(driver, handle, Phase.ENDED, seconds=20)
    assert probe.native["status"] == "FAILED"
    assert probe.exit_code is None
    assert probe.reason
    eventually(lambda: not cluster.jobs_processes(), what="no process is left")


def test_a_node_whose_raylet_dies_ends_its_attempt(
    driver: RayDriver, history: History, cluster: Cluster
) -> None:
    handle = begin(driver, history)
    cluster.kill(cluster.worker, "raylet")
    assert wait_for(driver, handle, Phase.ENDED, seconds=45).native["status"] == "FAILED"
    eventually(lambda: not cluster.jobs_processes(), what="no process is left")
    cluster.restore()
    check_that_it_works_again(driver, history, handle)


def test_a_node_that_is_cut_off_ends_its_attempt_and_disturbs_no_later_one(
    driver: RayDriver, history: History, cluster: Cluster
) -> None:
    handle = begin(driver, history)
    cluster.worker.cut()
    assert driver.probe([handle])[handle].phase is Phase.RUNNING, "silence alone says nothing"
    assert wait_for(driver, handle, Phase.ENDED, seconds=60).native["status"] == "FAILED"
    # The line is mended while the first runner may live: what it says then comes too late.
    cluster.worker.mend()
    eventually(lambda: not cluster.jobs_processes(), 90, "the cut node ends its own jobs")
    cluster.restore()
    check_that_it_works_again(driver, history, handle)


def test_a_head_that_dies_is_unreachable_and_then_knows_nothing(
    driver: RayDriver, history: History, cluster: Cluster
) -> None:
    handle = begin(driver, history)
    cluster.kill(cluster.head, "gcs_server")
    probe = wait_for(driver, handle, Phase.UNREACHABLE, seconds=60)
    assert cluster.url in probe.reason
    [problem] = driver.check()
    assert "Jobs API is part of Ray's dashboard" in problem.hint
    cluster.head.end_processes()
    cluster.worker.end_processes()
    assert driver.probe([handle])[handle].phase is Phase.UNREACHABLE
    cluster.restore()
    probe = wait_for(driver, handle, *OVER)
    assert (probe.phase, probe.reason) == (Phase.ABSENT, "Ray has no record of the job")
    assert driver.find(handle.run_id, handle.attempt) is None
    check_that_it_works_again(driver, history, handle)


def test_a_submission_whose_answer_is_lost_is_found_or_made_again(
    driver: RayDriver, history: History
) -> None:
    wanted = launch(history)
    body = json.dumps(msgspec.to_builtins(request_for(wanted, driver._settings))).encode()
    address = urlsplit(driver._settings.address)
    with socket.create_connection((address.hostname, address.port)) as line:
        head = f"POST /api/jobs/ HTTP/1.1\r\nHost: ray\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        line.sendall(head.encode() + body)
    handle = driver.submit(wanted)
    # Ray may have dropped it half-way (its issue 62766): then the next attempt does the work.
    with suppress(AssertionError):
        wait_for_claim(history, handle, 20)
    if history.owner(attempt_of(handle)) is None:
        history.closed.add(handle.run_id)
        check_that_it_works_again(driver, history, handle)
    else:
        history.tell(handle.run_id, "exit 0")
        assert wait_for(driver, handle, Phase.ENDED).exit_code == 0


def test_another_driver_goes_on_where_one_was_killed(
    driver: RayDriver, history: History, tmp_path: Path
) -> None:
    handle = begin(driver, history)
    other = RayDriver("lab", driver._settings, tmp_path)
    assert other.find(handle.run_id, 1) == handle
    assert other.submit(launch(history, run_id=handle.run_id)) == handle
    history.tell(handle.run_id, "kill")
    assert wait_for(other, handle, Phase.ENDED).signal == signal.SIGKILL


@pytest.mark.long
def test_a_hundred_attempts_at_once_each_run_once(
    driver: RayDriver, history: History, cluster: Cluster
) -> None:
    wanted = [launch(history) for _ in range(100)]
    handles = [driver.submit(one) for one in wanted]
    assert {probe.phase for probe in driver.probe(handles).values()} <= {
        Phase.PENDING, Phase.RUNNING
    }  # fmt: skip
    for handle in handles:
        history.tell(handle.run_id, "exit 0")

    def ended() -> list[Handle]:
        probes = driver.probe(handles)
        return [h for h in handles if probes[h].phase is Phase.ENDED and probes[h].exit_code == 0]

    # Ray takes two seconds of a core to begin a job, so a fifth of them has to speak for the rest.
    eventually(lambda: len(ended()) >= 20, 200, "they run, one after the other")
    assert all(history.said(attempt_of(handle), "ended") == 1 for handle in ended())
    assert not any(history.said(attempt_of(handle), "refused") for handle in handles)
    cluster.head.end_processes()
    cluster.restore()
    assert {probe.phase for probe in driver.probe(handles).values()} == {Phase.ABSENT}
    eventually(lambda: not cluster.jobs_processes(), what="no process is left")
