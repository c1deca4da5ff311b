"""What differs between two records of environments."""

from collections.abc import Mapping

from packaging.utils import canonicalize_name

from ml_workspace_lab.environments.model import PackageChange, ValueChange
from ml_workspace_lab.environments.record import EnvironmentRecord, PackageRecord

_FACTS = ("python_version", "implementation", "platform", "gpu_driver")


def packages(before: EnvironmentRecord, after: EnvironmentRecord) -> list[PackageChange]:
    """Packages that came, went, or are of another version or origin, in the order of their
    names."""
    return [
        PackageChange(name, old, new)
        for name, old, new in _changes(_packages(before), _packages(after))
    ]


def values(before: EnvironmentRecord, after: EnvironmentRecord) -> list[ValueChange]:
    """Whatever else differs: interpreter, platform, GPUs, variables, kernel."""
    changes = _changes(_values(before), _values(after))
    return [ValueChange(name, old, new) for name, old, new in changes]


def _changes(
    before: Mapping[str, str], after: Mapping[str, str]
) -> list[tuple[str, str | None, str | None]]:
    names = sorted({*before, *after})
    found = ((name, before.get(name), after.get(name)) for name in names)
    return [change for change in found if change[1] != change[2]]


def _packages(record: EnvironmentRecord) -> dict[str, str]:
    found: dict[str, str] = {canonicalize_name(one.name): _package(one) for one in record.packages}
    if record.conda is not None:
        found |= {f"conda:{p.name}": f"{p.version} {p.build}" for p in record.conda.packages}
    return found


def _package(package: PackageRecord) -> str:
    origin = package.url or ""
    if package.commit:
        origin = f"{origin}@{package.commit}"
    words = [package.version, "editable" if package.editable else "", origin, package.hash or ""]
    return " ".join(word for word in words if word)


def _values(record: EnvironmentRecord) -> dict[str, str]:
    found = {str(name): value for name in _FACTS if (value := getattr(record, name)) is not None}
    if record.gpus:
        found["gpus"] = ", ".join(record.gpus)
    if record.kernel is not None:
        kernel = record.kernel
        found["kernel"] = f"{kernel.name} ({kernel.language} {kernel.language_version})"
    return found | {f"variables.{name}": value for name, value in record.variables.items()}
