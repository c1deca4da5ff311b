"""What the driver makes of Ray's records."""

import pytest

from ml_workspace_lab.compute.driver import Phase
from ml_workspace_lab.compute.ray.jobs import RayJob
from ml_workspace_lab.compute.ray.states import probe_of


@pytest.mark.parametrize(
    ("code", "exit_code", "signal"),
    [(0, 0, None), (7, 7, None), (-9, None, 9), (137, None, 9), (143, None, 15), (255, 255, None)],
)
def test_an_exit_code_or_the_signal_behind_it(
    code: int, exit_code: int | None, signal: int | None
) -> None:
    probe = probe_of(RayJob("FAILED" if code else "SUCCEEDED", driver_exit_code=code))
    assert (probe.phase, probe.exit_code, probe.signal) == (Phase.ENDED, exit_code, signal)
    assert not probe.out_of_sight


def test_a_runner_whose_end_nobody_saw_is_out_of_sight() -> None:
    died = RayJob("FAILED", message="Job supervisor actor died: x", driver_node_id="n")
    assert probe_of(died).out_of_sight
    never_began = RayJob("FAILED", error_type="JOB_SUPERVISOR_ACTOR_START_TIMEOUT")
    assert not probe_of(never_began).out_of_sight


def test_rays_own_word_comes_without_the_log() -> None:
    message = "Job entrypoint command failed with exit code 2, last available logs (truncated):\nx"
    job = RayJob("FAILED", message=message, driver_exit_code=2)
    assert probe_of(job).reason == "Job entrypoint command failed with exit code 2"


def test_a_state_that_is_not_known_yet_is_no_end() -> None:
    assert probe_of(RayJob("REDACTED")).phase is Phase.RUNNING
    assert probe_of(None).phase is Phase.ABSENT
