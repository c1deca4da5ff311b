"""What a Job and its pods say about the attempt."""

from collections.abc import Sequence
from typing import Literal

from ml_workspace_lab.compute.driver import Phase, Probe
from ml_workspace_lab.compute.kubernetes.found import (
    ConditionFound,
    JobFound,
    PodFound,
    Terminated,
)
from ml_workspace_lab.compute.kubernetes.manifest import CONTAINER

_SHELL_SIGNALS = range(129, 160)
_OVER = ("Succeeded", "Failed")
_CAUSES: dict[str, Literal["oom", "timeout"]] = {"OOMKilled": "oom", "DeadlineExceeded": "timeout"}


def probe_of(job: JobFound | None, pods: Sequence[PodFound]) -> Probe:
    """The pods decide, as long as there is one: a Job may call itself failed while the process of
    a pod on a node that is cut off goes on, and have a second pod beside it."""
    over = [pod for pod in pods if pod.status.phase in _OVER]
    at_work = [pod for pod in pods if pod not in over and not _never_begins(pod)]
    if at_work:
        return _waiting_or_running(at_work)
    if job is None and not pods:
        return Probe(Phase.ABSENT, reason="Kubernetes has no such Job")
    ended = {c.type: c for c in (job and job.status.conditions) or () if c.status == "True"}
    if over:
        return _ended(max(over, key=_age), ended.get("Failed"))
    if pods:
        return Probe(Phase.PENDING, reason="Its pod is being deleted.", native=_native(pods[0]))
    if "Complete" in ended:
        return Probe(Phase.ENDED, exit_code=0)
    if "Failed" in ended:
        return Probe(
            Phase.ENDED, reason=_said(ended["Failed"]), cause=_cause(ended["Failed"].reason)
        )
    return Probe(Phase.PENDING, reason="The Job has no pod yet.")


def _never_begins(pod: PodFound) -> bool:
    return pod.status.phase == "Pending" and pod.metadata.deletion_timestamp is not None


def _age(pod: PodFound) -> float:
    created = pod.metadata.creation_timestamp
    return created.timestamp() if created else 0.0


def _waiting_or_running(pods: list[PodFound]) -> Probe:
    running = [pod for pod in pods if pod.status.phase != "Pending"]
    if running:
        pod = running[0]
        reason = ": ".join(filter(None, (pod.status.reason, pod.status.message)))
        return Probe(Phase.RUNNING, reason=reason, native=_native(pod))
    pod = max(pods, key=_age)
    return Probe(Phase.PENDING, reason=_why_pending(pod), native=_native(pod))


def _why_pending(pod: PodFound) -> str:
    """The scheduler's or the node's own words."""
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return _said(condition)
    for container in pod.status.container_statuses or ():
        if waiting := container.state.waiting:
            return ": ".join(filter(None, (waiting.reason, waiting.message)))
    return ""


def _ended(pod: PodFound, failed: ConditionFound | None) -> Probe:
    status = pod.status
    statuses = {s.name: s.state.terminated for s in status.container_statuses or ()}
    terminated = statuses.get(CONTAINER)
    cause = _cause(status.reason) or _cause(terminated.reason if terminated else "")
    if terminated is None:
        # Evicted, or taken from a node that does not answer: nobody has seen its process end.
        unseen = status.phase == "Failed" and pod.spec.node_name is not None
        reason = ": ".join(filter(None, (status.reason, status.message)))
        reason = reason or (_said(failed) if failed else "")
        code = 0 if status.phase == "Succeeded" else None
        return Probe(Phase.ENDED, code, None, reason, cause, unseen, _native(pod))
    signal = _signal(terminated)
    code = terminated.exit_code if signal is None else None
    reason = _reason(pod, terminated, signal)
    return Probe(Phase.ENDED, code, signal, reason, cause, native=_native(pod))


def _reason(pod: PodFound, terminated: Terminated, signal: int | None) -> str:
    whole = ": ".join(filter(None, (pod.status.reason, pod.status.message)))
    how = (
        f"killed by signal {signal}" if signal is not None else f"exit code {terminated.exit_code}"
    )
    named = terminated.reason if terminated.reason not in ("Error", "Completed") else ""
    if named == "OOMKilled":
        named = "OOMKilled: it exceeded its memory limit"
    return ", ".join(filter(None, (whole, named, terminated.message, how)))


def _signal(terminated: Terminated) -> int | None:
    if terminated.signal:
        return terminated.signal
    return terminated.exit_code - 128 if terminated.exit_code in _SHELL_SIGNALS else None


def _cause(reason: str) -> Literal["", "oom", "timeout"]:
    return _CAUSES.get(reason, "")


def _said(condition: ConditionFound) -> str:
    return ": ".join(filter(None, (condition.reason, condition.message)))


def _native(pod: PodFound) -> dict[str, str | None]:
    return {"pod": pod.metadata.name, "node": pod.spec.node_name, "phase": pod.status.phase}
