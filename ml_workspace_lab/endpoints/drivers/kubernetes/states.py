"""What a Deployment and its pods say about the deployment of an endpoint."""

from collections.abc import Sequence

from ml_workspace_lab.compute.kubernetes.found import ContainerStatus, PodFound
from ml_workspace_lab.endpoints.drivers.driver import Observed
from ml_workspace_lab.endpoints.drivers.kubernetes.found import DeploymentFound
from ml_workspace_lab.endpoints.drivers.kubernetes.manifest import CONTAINER
from ml_workspace_lab.endpoints.model import EndpointState

MAX_FAILED_STARTS = 2
_HOPELESS = ("InvalidImageName", "ErrImageNeverPull")
"""Why a container waits that no waiting will change."""


def observed(found: DeploymentFound | None, pods: Sequence[PodFound], was_well: bool) -> Observed:
    """How it is. `pods` are those of the generation that is wanted; `was_well` says that it has
    answered before."""
    if found is None:
        return Observed(EndpointState.CREATING, "Kubernetes has no such Deployment yet.")
    status, replicas = found.status, found.spec.replicas
    alive = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    ready = count_ready(alive)
    is_seen = status.observed_generation >= found.metadata.generation
    is_out = is_seen and status.updated_replicas >= min(replicas, status.replicas)
    is_out = is_out and status.replicas <= status.updated_replicas
    trouble = _trouble(alive) or _conditions(found)
    if is_out and ready and (was_well or ready >= replicas):
        reason = "" if ready >= replicas else f"{ready} of {replicas} replicas are ready. {trouble}"
        return Observed(EndpointState.HEALTHY, reason.strip())
    given_up = _given_up(found)
    # Between two starts a pod may not say yet how the one before ended: the next look has it.
    if is_seen and not was_well and (given_up or (trouble and _is_hopeless(alive))):
        return Observed(EndpointState.FAILED, trouble or given_up)
    if was_well and not ready:
        return Observed(EndpointState.UNHEALTHY, trouble or "No replica is ready.")
    told = trouble or f"{ready} of {replicas} replicas are ready."
    return Observed(EndpointState.CREATING, told)


def count_ready(pods: Sequence[PodFound]) -> int:
    """How many answer, and are not about to leave."""
    return sum(_is_ready(pod) and pod.metadata.deletion_timestamp is None for pod in pods)


def crashed(pods: Sequence[PodFound]) -> tuple[str, bool] | None:
    """A pod whose process has ended, by its name, and whether another one has come since; its log
    says why."""
    for pod in pods:
        status = _scoring(pod)
        if status is None or _is_ready(pod):
            continue
        if status.state.terminated is not None:
            return pod.metadata.name, False
        if status.last_state.terminated is not None:
            return pod.metadata.name, True
    return None


def _scoring(pod: PodFound) -> ContainerStatus | None:
    found = pod.status.container_statuses or ()
    return next((one for one in found if one.name == CONTAINER), None)


def _is_ready(pod: PodFound) -> bool:
    conditions = {one.type: one.status for one in pod.status.conditions or ()}
    return conditions.get("Ready") == "True"


def _trouble(pods: Sequence[PodFound]) -> str:
    """The scheduler's or the node's own words about the first pod that has some."""
    for pod in pods:
        if _is_ready(pod):
            continue
        for condition in pod.status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                return _joined(condition.reason, condition.message)
        if pod.status.phase == "Failed":
            return _joined(pod.status.reason, pod.status.message)
        status = _scoring(pod)
        if status is not None and (said := _said(status)):
            return said
    return ""


def _said(status: ContainerStatus) -> str:
    ended = status.state.terminated or status.last_state.terminated
    waiting = status.state.waiting
    if ended is not None:
        how = f"exit code {ended.exit_code}"
        if ended.reason == "OOMKilled":
            how = "OOMKilled: it exceeded its memory limit"
        reason = waiting.reason if waiting is not None else "Terminated"
        return _joined(reason, f"the scoring process ended: {how}.")
    if waiting is not None and waiting.reason not in ("ContainerCreating", "PodInitializing"):
        return _joined(waiting.reason, waiting.message)
    return ""


def _conditions(found: DeploymentFound) -> str:
    """Why there are no pods: a quota, or a rule of the namespace."""
    for condition in found.status.conditions or ():
        if condition.type == "ReplicaFailure" and condition.status == "True":
            return _joined(condition.reason, condition.message)
    return ""


def _given_up(found: DeploymentFound) -> str:
    for condition in found.status.conditions or ():
        if condition.type == "Progressing" and condition.status == "False":
            return _joined(condition.reason, condition.message)
    return ""


def _is_hopeless(pods: Sequence[PodFound]) -> bool:
    for pod in pods:
        status = _scoring(pod)
        if status is None or _is_ready(pod):
            continue
        waiting = status.state.waiting
        if status.restart_count >= MAX_FAILED_STARTS:
            return True
        if waiting is not None and waiting.reason in _HOPELESS:
            return True
    return False


def _joined(*words: str) -> str:
    return ": ".join(filter(None, words))
