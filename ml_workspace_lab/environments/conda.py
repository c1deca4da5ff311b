"""conda's `environment.yml`: read, and said in pip's words as far as that is certain."""

import re
from functools import cache
from importlib import resources
from typing import Any

import yaml  # type: ignore[import-untyped]
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.environments.model import CondaSpecification, PipRequirements
from ml_workspace_lab.errors import InvalidInput, shown

_SPEC = re.compile(r"^(?:[\w./:-]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(.*)$")
_VERSION = r"[0-9][A-Za-z0-9.!+_]*"
_TOOLS = frozenset({"pip", "setuptools", "wheel"})
_LIMIT = 256 * 1024


@cache
def same_on_pypi() -> frozenset[str]:
    """Packages that conda-forge and PyPI have under the same name. Any other name may be another
    project's on PyPI, so it is never guessed."""
    names = resources.files(__package__).joinpath("same_on_pypi.txt")
    return frozenset(names.read_text(encoding="utf-8").split())


def read(text: str) -> CondaSpecification:
    """What the file says. Raises InvalidInput where it is not an environment of conda."""
    if len(text) > _LIMIT:
        raise InvalidInput("The file is larger than any environment's.", field="specification")
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        why = str(error).replace("\n", " ")
        raise InvalidInput(f"The file is not YAML: {why}.", field="specification") from None
    if not isinstance(content, dict) or not isinstance(content.get("dependencies"), list):
        raise InvalidInput(
            "This is not an environment of conda: it has no list `dependencies`.",
            field="dependencies",
        )
    plain: list[Any] = []
    pip: list[Any] = []
    for dependency in content["dependencies"]:
        if isinstance(dependency, dict):
            if list(dependency) != ["pip"] or not isinstance(dependency["pip"], list):
                raise InvalidInput(
                    f"dependencies: {shown(dependency)} is not known: only `pip:` has a list.",
                    field="dependencies",
                )
            pip += dependency["pip"]
        else:
            plain.append(dependency)
    channels = content.get("channels") or []
    return convert({"dependencies": plain, "pip": pip, "channels": channels}, CondaSpecification)


def as_pip(specification: CondaSpecification) -> PipRequirements:
    """The same in pip's words. Raises InvalidInput naming a package that only conda can install."""
    python_version = None
    requirements = list(specification.pip)
    for place, dependency in enumerate(specification.dependencies):
        field = f"dependencies.{place}"
        match = _SPEC.match(dependency.strip())
        if match is None:
            raise InvalidInput(f"{field}: {shown(dependency)} is not a package.", field=field)
        name, wanted = match[1].lower().replace("_", "-"), match[2].strip()
        if name == "python":
            python_version = _python(wanted, field)
        elif name in _TOOLS:
            continue
        elif name not in same_on_pypi():
            raise InvalidInput(
                f"{field}: {match[1]} is installed by conda only, which is not used here.",
                field=field,
                hint="Where PyPI has it, move it to the list below `pip:` under its name there.",
            )
        else:
            requirements.append(f"{name}{_specifier(wanted, field)}")
    return PipRequirements(requirements, python_version, specification.allow_urls)


def _specifier(wanted: str, field: str) -> str:
    """conda's `=1.2` is pip's `==1.2.*`; its bare `1.2` is exact."""
    wanted = wanted.replace(" ", "")
    if not wanted or wanted == "*":
        return ""
    if match := re.fullmatch(rf"=?({_VERSION}?)\.?\*", wanted):
        return f"=={match[1]}.*"
    if match := re.fullmatch(rf"=({_VERSION})", wanted):
        return f"=={match[1]}.*"
    if match := re.fullmatch(rf"(?:==)?({_VERSION})", wanted):
        return f"=={match[1]}"
    if "|" not in wanted and (wanted[0] in "<>!~" or "," in wanted):
        try:
            return str(SpecifierSet(wanted))
        except InvalidSpecifier:
            pass
    raise InvalidInput(
        f"{field}: {shown(wanted)} can't be said in pip's words (builds of conda, alternatives).",
        field=field,
        hint="Give a version alone, or move the package to the list below `pip:`.",
    )


def _python(wanted: str, field: str) -> str | None:
    wanted = wanted.replace(" ", "")
    if not wanted:
        return None
    if match := re.fullmatch(r"=?=?(3\.[0-9]{1,3}(?:\.[0-9]{1,3})?)(?:\.\*)?", wanted):
        return match[1]
    raise InvalidInput(
        f"{field}: {shown(wanted)} does not name one version of Python.",
        field=field,
        hint="Write python=3.11, say.",
    )
