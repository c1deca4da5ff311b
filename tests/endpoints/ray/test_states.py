"""What the driver makes of what Ray Serve says."""

import msgspec
import pytest

from ml_workspace_lab.endpoints.drivers.ray.serve import Application
from ml_workspace_lab.endpoints.drivers.ray.states import count_ready, observed
from ml_workspace_lab.endpoints.model import EndpointState


def application(
    status: str, *replicas: str, wanted: int = 1, part: dict[str, str] | None = None
) -> Application:
    told = {
        "name": "a",
        "status": status,
        "deployments": {
            "scoring": {
                "status": "HEALTHY",
                "target_num_replicas": wanted,
                "replicas": [
                    {"replica_id": str(number), "state": state}
                    for number, state in enumerate(replicas)
                ],
                **(part or {}),
            }
        },
    }
    return msgspec.convert(told, Application)


FAILED = {"status": "DEPLOY_FAILED", "message": "ImportError: no module named sklearn"}


@pytest.mark.parametrize(
    ("found", "was_well", "state"),
    [
        (application("DEPLOYING", "STARTING"), False, EndpointState.CREATING),
        (application("RUNNING", "RUNNING"), False, EndpointState.HEALTHY),
        (application("DEPLOY_FAILED", part=FAILED), False, EndpointState.FAILED),
        (application("DEPLOY_FAILED", "RUNNING", part=FAILED), True, EndpointState.HEALTHY),
        (application("DEPLOY_FAILED", part=FAILED), True, EndpointState.UNHEALTHY),
        (application("UNHEALTHY", "STARTING"), True, EndpointState.UNHEALTHY),
        (application("DELETING", "RUNNING"), True, EndpointState.CREATING),
    ],
)
def test_each_state_of_an_application_has_one_of_a_deployment(
    found: Application, was_well: bool, state: EndpointState
) -> None:
    assert observed(found, was_well).state is state


def test_the_reason_of_a_failed_start_is_the_word_of_serve() -> None:
    assert observed(application("DEPLOY_FAILED", part=FAILED), False).reason == FAILED["message"]


def test_of_a_process_that_ended_its_own_last_words_are_told() -> None:
    said = "The scoring process ended: exit code 1.\nValueError: no luck"
    told = {"status": "DEPLOY_FAILED", "message": f"Traceback of Ray's:\nRuntimeError: {said}\n"}
    assert observed(application("DEPLOY_FAILED", part=told), False).reason == said


def test_only_replicas_that_answer_are_ready() -> None:
    found = application("RUNNING", "RUNNING", "STARTING", "STOPPING", wanted=2)
    assert count_ready(found) == 1
    assert observed(found, True).reason == "1 of 2 replicas are ready."
