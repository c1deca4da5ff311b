"""What the driver makes of what a cluster says, for states that no test can bring about at will."""

from typing import Any

import msgspec
import pytest

from ml_workspace_lab.compute.driver import Phase
from ml_workspace_lab.compute.kubernetes.found import JobFound, NodeFound, PodFound
from ml_workspace_lab.compute.kubernetes.nodes import node_of, quantity
from ml_workspace_lab.compute.kubernetes.states import probe_of


def job(*conditions: dict[str, str]) -> JobFound:
    found = {"metadata": {"name": "j"}, "status": {"conditions": list(conditions) or None}}
    return msgspec.convert(found, JobFound)


def pod(phase: str, *, state: dict[str, Any] | None = None, **more: Any) -> PodFound:
    metadata = {"name": "p"} | more.pop("metadata", {})
    statuses = [{"name": "runner", "state": state}] if state else None
    status = {"phase": phase, "containerStatuses": statuses, **more}
    found = {"metadata": metadata, "status": status, "spec": {"nodeName": "n"}}
    return msgspec.convert(found, PodFound, strict=False)


FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        (
            {"reason": "ImagePullBackOff", "message": 'Back-off "x:1"'},
            'ImagePullBackOff: Back-off "x:1"',
        ),
        ({"reason": "CreateContainerConfigError"}, "CreateContainerConfigError"),
    ],
)
def test_why_a_container_waits_is_told_in_its_nodes_words(
    waiting: dict[str, str], reason: str
) -> None:
    probe = probe_of(job(), [pod("Pending", state={"waiting": waiting})])
    assert (probe.phase, probe.reason) == (Phase.PENDING, reason)


def test_the_kernel_s_end_of_a_container_is_one_of_memory() -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    probe = probe_of(job(FAILED), [pod("Failed", state=ended)])
    assert (probe.phase, probe.signal, probe.cause) == (Phase.ENDED, 9, "oom")
    assert probe.reason == "OOMKilled: it exceeded its memory limit, killed by signal 9"


def test_an_evicted_pod_says_why() -> None:
    probe = probe_of(job(FAILED), [pod("Failed", reason="Evicted", message="low on memory")])
    assert (probe.phase, probe.reason) == (Phase.ENDED, "Evicted: low on memory")
    assert probe.exit_code is None
    assert probe.out_of_sight


def test_a_job_without_its_pod_speaks_for_itself() -> None:
    complete = {"type": "Complete", "status": "True"}
    assert probe_of(job(complete), []).exit_code == 0
    assert probe_of(job(FAILED), []).reason == "BackoffLimitExceeded: m"
    assert probe_of(job(), []).phase is Phase.PENDING
    assert probe_of(None, []).phase is Phase.ABSENT


def test_a_pod_that_goes_on_outweighs_what_its_job_says() -> None:
    leaving = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    other = pod("Succeeded", state={"terminated": {"exitCode": 0}})
    assert probe_of(job(FAILED), [pod("Running"), other]).phase is Phase.RUNNING
    assert probe_of(None, [pod("Running", **leaving)]).phase is Phase.RUNNING
    assert probe_of(job(), [pod("Pending", **leaving), other]).exit_code == 0
    assert probe_of(job(), [pod("Pending", **leaving)]).phase is Phase.PENDING


def test_a_node_is_described_in_whole_numbers() -> None:
    found = {
        "metadata": {"name": "n"},
        "spec": {"unschedulable": True},
        "status": {
            "allocatable": {"cpu": "3920m", "memory": "16Gi", "amd.com/gpu": "2"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    node = node_of(msgspec.convert(found, NodeFound), "amd.com/gpu")
    assert (node.cores, node.memory_bytes, node.gpus) == (3.92, 16 * 2**30, 2)
    assert node.state == "Ready,SchedulingDisabled"


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("100m", 0.1), ("1e3", 1000), ("7951Mi", 7951 * 2**20), ("1M", 10**6), ("?", 0)],
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == pytest.approx(value)
