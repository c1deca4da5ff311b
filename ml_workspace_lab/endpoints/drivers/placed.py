"""Where deployments are placed: whether they can be, what there is, and what they say there."""

from ml_workspace_lab.api.types import LogChunk
from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.endpoints import store
from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.drivers.elsewhere import Records
from ml_workspace_lab.endpoints.drivers.kinds import far_driver
from ml_workspace_lab.endpoints.model import LOCAL, DeployEndpoint
from ml_workspace_lab.errors import InvalidInput, Unavailable
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.storage import Storage


def check(services: Services, body: DeployEndpoint, version: int) -> None:
    """Raise NotFound where there is no such target, InvalidInput where it can't serve that."""
    if body.compute_target == LOCAL:
        for name in ("environment", "resources"):
            if getattr(body, name) is not None:
                raise InvalidInput(
                    f"{name}: is for images; on this machine a process of `python` serves.",
                    field=name,
                    hint="Leave it out, or name another compute_target.",
                )
        return
    far_driver(services, body.compute_target).check(body)
    for name in ("python", "providers"):
        if getattr(body, name):
            raise InvalidInput(
                f"{name}: is for this machine; elsewhere an image serves.",
                field=name,
                hint="Name an environment for the image's packages.",
            )
    served = services.models.version(body.model, version)
    services.packages.check_needs([served], body.environment)
    services.packages.check_engine(served, body.engine, has_script=bool(body.scoring_script))


def on_target(storage: Storage, target: str) -> list[str]:
    """Deployments that a target serves, or has something left of: ENDPOINT/DEPLOYMENT."""
    wanted = {
        f"{one.endpoint}/{one.info.name}"
        for endpoint in store.endpoints(storage.database)
        for one in endpoint.deployments
        if one.info.compute_target == target
    }
    left = {f"{one.endpoint}/{one.deployment}" for one in Records(storage.root).on(target)}
    return sorted(wanted | left)


def log_of_replicas(
    services: Services, found: WantedDeployment, offset: int, limit: int
) -> LogChunk:
    """The end of what they have printed, of at most `limit` bytes, from `offset` on. Raises
    Unavailable where their target does not answer."""
    target = found.info.compute_target
    try:
        told = far_driver(services, target).logs(found.endpoint, found.info.name, limit)
    except Unreachable as error:
        raise Unavailable(f"{target} does not answer: {error}") from None
    text = told[offset:].decode("utf-8", "replace")
    return LogChunk(min(offset, len(told)), len(told), len(told), text, complete=False)
