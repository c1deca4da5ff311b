"""Where the server of an instance is: here, or a job of a compute target."""

from typing import Any

from msgspec import Struct

from ml_workspace_lab.compute.driver import Driver
from ml_workspace_lab.compute.instances.model import LOCAL
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.services import Services

KINDS = ("slurm",)
"""The kinds of targets on which a server can be a job."""
SHARED = "Keep the workspace on a file system that its machines see, and set `shared_folder`."


class Placement(Struct, frozen=True):
    """The target as it was set up when the server was started, and what is asked of it."""

    target: str
    kind: str
    settings: dict[str, Any]
    resources: Resources
    user: str


def placement(
    services: Services, target: str, resources: Resources | None, user: str
) -> Placement | None:
    """None for this machine. Raises NotFound where there is no such target, InvalidInput where it
    can't have such a job."""
    if target == LOCAL:
        if resources is not None:
            raise InvalidInput(
                "resources: are for jobs; on this machine an instance has what there is.",
                field="resources",
                hint="Leave them out, or name another compute_target.",
            )
        return None
    found = services.computes.target(target)
    if found.kind not in KINDS:
        raise InvalidInput(
            f"compute_target: {target} is of the kind {found.kind}, which has no instances.",
            field="compute_target",
            hint=f"Name {LOCAL}, or a target of the kind {', '.join(KINDS)}.",
        )
    wanted = resources or Resources()
    _check(services.computes.driver(found), target, wanted)
    return Placement(target, found.kind, found.settings, wanted, user)


def _check(driver: Driver, target: str, resources: Resources) -> None:
    if "shared_fs" not in driver.capabilities:
        raise InvalidInput(
            f"compute_target: the machines of {target} do not see the workspace's folder, where an"
            " instance has its files.",
            field="compute_target",
            hint=SHARED,
        )
    if resources.nodes != 1:
        raise InvalidInput(
            f"resources.nodes: {resources.nodes} are asked for, and an instance is on one.",
            field="resources.nodes",
        )
    if resources.gpus and "gpu" not in driver.capabilities:
        raise InvalidInput(f"resources.gpus: {target} has none to give.", field="resources.gpus")
