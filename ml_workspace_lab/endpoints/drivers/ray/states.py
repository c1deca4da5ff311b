"""What an application of Ray Serve says about the deployment of an endpoint."""

from ml_workspace_lab.endpoints.drivers.driver import Observed
from ml_workspace_lab.endpoints.drivers.ray.replica import ENDED
from ml_workspace_lab.endpoints.drivers.ray.serve import Application
from ml_workspace_lab.endpoints.model import EndpointState

_RUNNING = "RUNNING"
"""Both Serve's word for an application that answers, and for a replica that does."""


def observed(found: Application, was_well: bool) -> Observed:
    """How it is; `was_well` says that it has answered before. One whose start has failed is
    Failed only then: Serve goes on trying to replace replicas of one that has answered."""
    ready = count_ready(found)
    wanted = sum(one.target_num_replicas for one in found.deployments.values())
    trouble = _trouble(found)
    if found.status == _RUNNING and ready:
        reason = "" if ready >= wanted else f"{ready} of {wanted} replicas are ready. {trouble}"
        return Observed(EndpointState.HEALTHY, reason.strip(), ready)
    if was_well and found.status != "DELETING":
        if ready:
            told = f"{ready} of {wanted} replicas are ready. {trouble}".strip()
            return Observed(EndpointState.HEALTHY, told, ready)
        return Observed(EndpointState.UNHEALTHY, trouble or "No replica is ready.", ready)
    if found.status == "DEPLOY_FAILED":
        return Observed(EndpointState.FAILED, trouble or "Ray Serve could not start it.", ready)
    told = trouble or f"{ready} of {wanted} replicas are ready."
    return Observed(EndpointState.CREATING, told, ready)


def count_ready(found: Application) -> int:
    """How many replicas answer, of all parts of the application."""
    return sum(
        replica.state == _RUNNING
        for part in found.deployments.values()
        for replica in part.replicas
    )


def _trouble(found: Application) -> str:
    """Serve's own words: those of the part that is not well, else the application's. Of a scoring
    process that has ended: what it said, without all that Ray tells of who noticed."""
    for part in found.deployments.values():
        if part.status not in ("HEALTHY", "UPSCALING", "DOWNSCALING") and part.message:
            return part.message[max(0, part.message.rfind(ENDED)) :].strip()
    return found.message
