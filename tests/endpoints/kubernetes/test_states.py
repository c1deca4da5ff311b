"""What the driver makes of what a cluster says, for states that no test can bring about at will."""

from typing import Any

import msgspec
import pytest

from ml_workspace_lab.compute.kubernetes.found import PodFound
from ml_workspace_lab.compute.kubernetes.settings import ServingSettings
from ml_workspace_lab.endpoints.drivers.kubernetes.driver import address_of
from ml_workspace_lab.endpoints.drivers.kubernetes.found import DeploymentFound, ServiceFound
from ml_workspace_lab.endpoints.drivers.kubernetes.states import count_ready, crashed, observed
from ml_workspace_lab.endpoints.model import EndpointState

CREATING, HEALTHY = EndpointState.CREATING, EndpointState.HEALTHY
UNHEALTHY, FAILED = EndpointState.UNHEALTHY, EndpointState.FAILED


def deployment(replicas: int = 1, *conditions: dict[str, str], **status: int) -> DeploymentFound:
    told = {"observedGeneration": 3, "replicas": replicas, "updatedReplicas": replicas, **status}
    found = {
        "metadata": {"name": "d", "uid": "u", "generation": 3},
        "spec": {"replicas": replicas},
        "status": {**told, "conditions": list(conditions) or None},
    }
    return msgspec.convert(found, DeploymentFound)


def pod(name: str = "p", *, ready: bool = False, **container: Any) -> PodFound:
    conditions = [{"type": "Ready", "status": str(ready)}]
    status: dict[str, Any] = {"phase": "Running", "conditions": conditions}
    status["containerStatuses"] = [{"name": "scoring", **container}]
    return msgspec.convert({"metadata": {"name": name}, "status": status}, PodFound)


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


ENDED = {"terminated": {"exitCode": 1, "reason": "Error"}}


def test_it_is_well_when_all_of_the_new_generation_answer_and_none_of_another_is_there() -> None:
    assert observed(deployment(), [pod(ready=True)], False).state is HEALTHY
    assert observed(deployment(replicas=2), [pod(ready=True)], False).state is CREATING
    old = deployment(updatedReplicas=1, replicas=1)
    still = msgspec.structs.replace(
        old, status=msgspec.structs.replace(old.status, replicas=2, updated_replicas=1)
    )
    assert observed(still, [pod(ready=True)], False).state is CREATING
    unseen = deployment(observedGeneration=2)
    assert observed(unseen, [pod(ready=True)], False).state is CREATING
    assert observed(None, [], False).state is CREATING


def test_one_that_was_well_is_so_as_long_as_a_replica_answers() -> None:
    pods = [pod("a", ready=True), pod("b", **waiting("CrashLoopBackOff", lastState=ENDED))]
    seen = observed(deployment(replicas=2), pods, True)
    assert seen.state is HEALTHY
    assert count_ready(pods) == 1
    assert seen.reason.startswith("1 of 2 replicas are ready. CrashLoopBackOff")
    assert observed(deployment(replicas=2), pods[1:], True).state is UNHEALTHY
    assert observed(deployment(), [], True).reason == "No replica is ready."


@pytest.mark.parametrize(
    ("container", "state", "reason"),
    [
        (waiting("ImagePullBackOff", 'Back-off "x"'), CREATING, 'ImagePullBackOff: Back-off "x"'),
        (waiting("InvalidImageName", "bad"), FAILED, "InvalidImageName: bad"),
        (waiting("ContainerCreating"), CREATING, "0 of 1 replicas are ready."),
        (
            waiting("CrashLoopBackOff", "back-off", lastState=ENDED, restartCount=1),
            CREATING,
            "CrashLoopBackOff: the scoring process ended: exit code 1.",
        ),
        (
            waiting("CrashLoopBackOff", "back-off", lastState=ENDED, restartCount=2),
            FAILED,
            "CrashLoopBackOff: the scoring process ended: exit code 1.",
        ),
        (
            {"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
            CREATING,
            "Terminated: the scoring process ended: OOMKilled: it exceeded its memory limit.",
        ),
    ],
)
def test_why_it_does_not_come_up_is_told_in_the_node_s_words(
    container: dict[str, Any], state: EndpointState, reason: str
) -> None:
    seen = observed(deployment(), [pod(**container)], False)
    assert (seen.state, seen.reason) == (state, reason)


def test_one_that_is_not_scheduled_says_why_and_is_waited_for() -> None:
    said = {"reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu."}
    found = {
        "metadata": {"name": "p"},
        "status": {"conditions": [{"type": "PodScheduled", "status": "False", **said}]},
    }
    seen = observed(deployment(), [msgspec.convert(found, PodFound)], False)
    assert (seen.state, seen.reason) == (CREATING, "Unschedulable: " + said["message"])


def test_quotas_and_deadlines_are_told() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    seen = observed(deployment(1, {**failure, "message": "exceeded quota"}), [], False)
    assert (seen.state, seen.reason) == (CREATING, "FailedCreate: exceeded quota")
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    seen = observed(deployment(1, {**late, "message": "timed out"}), [pod()], False)
    assert (seen.state, seen.reason) == (FAILED, "ProgressDeadlineExceeded: timed out")


def test_whose_log_says_why_is_the_one_that_ended() -> None:
    assert crashed([pod(ready=True, lastState=ENDED)]) is None
    assert crashed([pod("a", state=ENDED)]) == ("a", False)
    assert crashed([pod("b", **waiting("CrashLoopBackOff", lastState=ENDED))]) == ("b", True)


def test_where_a_service_is_reached_is_as_it_is_set_up() -> None:
    found = {
        "spec": {"clusterIP": "10.0.0.9", "ports": [{"port": 80, "nodePort": 30001}]},
        "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}},
    }
    service = msgspec.convert(found, ServiceFound)
    assert address_of(service, ServingSettings("r")) == ("10.0.0.9", 80)
    by_node = ServingSettings("r", service_type="NodePort", address="node.example")
    assert address_of(service, by_node) == ("node.example", 30001)
    assert address_of(service, ServingSettings("r", service_type="LoadBalancer")) == (
        "lb.example", 80,
    )  # fmt: skip
    empty = ServiceFound()
    for kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        assert address_of(empty, ServingSettings("r", service_type=kind, address="n")) is None
