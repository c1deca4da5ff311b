"""The kinds of compute targets that serve deployments."""

from importlib import import_module
from typing import Any, cast

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.compute.kinds import driver_type
from ml_workspace_lab.endpoints.drivers.driver import FarDriver
from ml_workspace_lab.endpoints.model import LOCAL
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.services import Services

FAR = {
    "kubernetes": "ml_workspace_lab.endpoints.drivers.kubernetes.driver:KubernetesDeployments",
    "ray": "ml_workspace_lab.endpoints.drivers.ray.driver:RayDeployments",
}


def far_driver(services: Services, name: str) -> FarDriver:
    """The driver of an attached target. Raises NotFound where there is no such target, InvalidInput
    where its kind does not serve, or it is not set up to."""
    target = services.computes.target(name)
    return driver_of(services, name, target.kind, target.settings)


def driver_of(services: Services, name: str, kind: str, settings: dict[str, Any]) -> FarDriver:
    """The driver of a target that is set up so. Making one asks its engine nothing."""
    if kind not in FAR:
        raise InvalidInput(
            f"compute_target: {name} is of the kind {kind}, which serves no endpoints.",
            field="compute_target",
            hint=f"Take one of the kinds that do: {LOCAL}, {', '.join(FAR)}.",
        )
    module, attribute = FAR[kind].split(":")
    made = getattr(import_module(module), attribute)
    return cast(
        "FarDriver", made(services, name, convert(settings, driver_type(kind).settings_type))
    )
