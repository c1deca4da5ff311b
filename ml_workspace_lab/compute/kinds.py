"""The kinds of compute targets: our own, and those that other packages bring."""

from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.compute.driver import Driver, DriverType
from ml_workspace_lab.errors import InvalidInput, Unavailable, shown

GROUP = "ml_workspace_lab.compute"
"""The entry points of other packages: the name is the kind, the object a class of drivers."""

BUILT_IN = {
    "kubernetes": "ml_workspace_lab.compute.kubernetes.driver:KubernetesDriver",
    "local": "ml_workspace_lab.compute.local:LocalDriver",
    "ray": "ml_workspace_lab.compute.ray.driver:RayDriver",
    "slurm": "ml_workspace_lab.compute.slurm.driver:SlurmDriver",
}


def kinds() -> list[str]:
    """Every kind that can be attached here."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def driver_type(kind: str) -> DriverType:
    """The drivers of a kind, imported when they are first asked for. Raises InvalidInput where
    there is no such kind, Unavailable naming the package that its driver lacks."""
    try:
        if kind in BUILT_IN:
            module, name = BUILT_IN[kind].split(":")
            return cast("DriverType", getattr(import_module(module), name))
        for point in entry_points(group=GROUP, name=kind):
            return cast("DriverType", point.load())
    except ImportError as error:
        raise Unavailable(
            f"The driver of {kind!r} targets can't be loaded: {error}.",
            hint=f'Install what it needs: pip install "ml_workspace_lab[{kind}]".',
        ) from None
    raise InvalidInput(
        f"There is no kind of compute target {shown(kind)}.",
        field="kind",
        hint=f"There are: {', '.join(kinds())}.",
    )


def make_driver(kind: str, target: str, settings: dict[str, Any], root: Path) -> Driver:
    """The driver of a target. Raises InvalidInput naming the setting that is wrong."""
    found = driver_type(kind)
    return found(target, convert(settings, found.settings_type), root)
