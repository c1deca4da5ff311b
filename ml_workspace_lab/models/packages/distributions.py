"""The installed packages that something needs, with what those need, and their files."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from importlib.metadata import Distribution, PackagePath, distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ml_workspace_lab.environments import runtime
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.models.packages.interpreters import Interpreter
from ml_workspace_lab.models.packages.layers import Entry, of_bytes, of_path

_OF_AN_INSTALLER = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def read(lines: Iterable[str]) -> list[Requirement]:
    """Requirements as they are written. Raises InvalidInput naming one that is none."""
    found = []
    for line in lines:
        try:
            found.append(Requirement(line.partition(" --hash")[0]))
        except InvalidRequirement:
            raise InvalidInput(
                f"The model's requirements hold {shown(line)}, which is none.",
                field="environment",
                hint="Register an environment, and name it.",
            ) from None
    return found


def needed(
    python: Interpreter, wanted: Iterable[Requirement], left_out: Collection[str] = ()
) -> list[Distribution]:
    """The packages of an interpreter that are wanted, and those that they need, by name; this
    package and those `left_out` are not among them. Raises InvalidInput where one is missing, or
    has another version than is wanted."""
    installed = _installed(python)
    skipped = {canonicalize_name(name) for name in (runtime.NAME, *left_out)}
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    left = [(one, "", True) for one in wanted]
    while left:
        requirement, extra, is_root = left.pop()
        name = canonicalize_name(requirement.name)
        if name in skipped or not _applies(requirement, extra, python):
            continue
        distribution = installed.get(name)
        if distribution is None or (is_root and not _fits(requirement, distribution)):
            raise _missing(requirement, distribution)
        found[name] = distribution
        for one in ("", *sorted(requirement.extras)):
            if (name, one) not in seen:
                seen.add((name, one))
                lines = distribution.requires or []
                left += [(needs, one, False) for needs in map(Requirement, lines)]
    return [found[name] for name in sorted(found)]


def present(python: Interpreter, names: Iterable[str]) -> list[Requirement]:
    """Those of the packages that an interpreter has."""
    installed = _installed(python)
    return [Requirement(name) for name in names if canonicalize_name(name) in installed]


def files(distribution: Distribution, root: str) -> Iterator[Entry]:
    """A package's files below `root`: without programs and data that lie elsewhere, compiled
    modules, and what tells who installed it from where. Raises InvalidInput on one whose files are
    not known, or that is a link to a folder."""
    name = distribution.name
    listed = distribution.files
    if listed is None or any(file.name.startswith("__editable__") for file in listed):
        raise InvalidInput(
            f"The package {name} can't be told from what lies beside it: it is installed by the"
            " system or as an editable folder.",
            field="environment",
            hint="Register an environment that has it as a wheel, and name it.",
        )
    for file in sorted(listed, key=lambda file: file.parts):
        if ".." in file.parts or file.is_absolute() or _is_left_out(file):
            continue
        path = Path(str(distribution.locate_file(file)))
        if not path.is_file():
            continue  # somebody took it away; the package works without, or says so itself
        place = f"{root}/{file.as_posix()}"
        is_record = file.name == "RECORD" and file.parent.name.endswith(".dist-info")
        yield of_bytes(place, _record(path)) if is_record else of_path(place, path)


def extensions(packages: Iterable[Distribution]) -> Iterator[Path]:
    """Compiled modules and libraries of packages."""
    for distribution in packages:
        for file in distribution.files or []:
            if ".." not in file.parts and (file.suffix == ".so" or ".so." in file.name):
                path = Path(str(distribution.locate_file(file)))
                if path.is_file():
                    yield path


def _installed(python: Interpreter) -> dict[str, Distribution]:
    """By name; the first on the path counts, as it does for an import."""
    found: dict[str, Distribution] = {}
    for distribution in distributions(path=python.packages):
        if distribution.metadata["Name"]:
            found.setdefault(canonicalize_name(distribution.name), distribution)
    return found


def _applies(requirement: Requirement, extra: str, python: Interpreter) -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({**python.markers, "extra": extra})


def _fits(requirement: Requirement, distribution: Distribution) -> bool:
    return requirement.specifier.contains(distribution.version, prereleases=True)


def _missing(requirement: Requirement, distribution: Distribution | None) -> InvalidInput:
    there = "is not installed" if distribution is None else f"is {distribution.version} here"
    return InvalidInput(
        f"The image needs {requirement}, which {there}.",
        field="environment",
        hint="Register an environment that has it, and name it.",
    )


def _is_left_out(file: PackagePath) -> bool:
    if "__pycache__" in file.parts or file.suffix == ".pyc":
        return True
    return file.parent.name.endswith(".dist-info") and file.name in _OF_AN_INSTALLER


def _record(path: Path) -> bytes:
    """The list of files without those that differ from one installation to the next."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row and not _differs(row[0])]
    writer.writerows(sorted(rows))
    return written.getvalue().encode()


def _differs(name: str) -> bool:
    file = PackagePath(name)
    return ".." in file.parts or file.is_absolute() or _is_left_out(file)
