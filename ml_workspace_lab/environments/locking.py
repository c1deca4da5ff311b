"""From what is asked for to what is installed: every package with its version and its hashes."""

import hashlib
import json
import platform
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from packaging.utils import canonicalize_name

from ml_workspace_lab.environments import requirements, runtime, tools
from ml_workspace_lab.environments.capture import archive_hash
from ml_workspace_lab.environments.conda import as_pip
from ml_workspace_lab.environments.model import (
    CondaSpecification,
    KernelEnvironment,
    Lock,
    PipRequirements,
    Specification,
)
from ml_workspace_lab.environments.record import EnvironmentRecord
from ml_workspace_lab.environments.requirements import Requirement
from ml_workspace_lab.environments.tools import BuildFailed
from ml_workspace_lab.errors import InvalidInput

PATIENCE_SECONDS = 600.0
LEAST_PYTHON = (3, 11)
_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:==|@)", re.MULTILINE)
_HASHES = re.compile(r"--hash=(\S+)")


def normal(specification: Specification) -> Specification:
    """The specification in the one way to write it, so that the same content is the same version.
    Raises InvalidInput where it can't be used."""
    match specification:
        case PipRequirements():
            found = _wanted(specification, "requirements")
            _check_python(specification.python_version)
            return msgspec.structs.replace(
                specification,
                requirements=[one.line for one in found],
                allow_urls=sorted({canonicalize_name(name) for name in specification.allow_urls}),
            )
        case CondaSpecification():
            wanted = as_pip(specification)
            _wanted(wanted, "dependencies")
            _check_python(wanted.python_version)
    return specification


def lock(specification: Specification, log: Path) -> Lock:
    """Every package that it comes to, for this machine. Raises BuildFailed where there is no such
    set of packages, InvalidInput where there is no such interpreter."""
    match specification:
        case PipRequirements():
            return _lock(_wanted(specification, "requirements"), specification.python_version, log)
        case CondaSpecification():
            wanted = as_pip(specification)
            return _lock(_wanted(wanted, "dependencies"), wanted.python_version, log)
        case KernelEnvironment(record):
            pins, notes = _pins(record)
            version = ".".join(record.python_version.split(".")[:2])
            try:
                return _lock(pins, version, log, notes=notes)
            except BuildFailed:
                notes.append("The packages ask for others than these, which was not heeded.")
                return _lock(pins, version, log, notes=notes, complete=True)
    raise InvalidInput("An interpreter that is there is used as it is.", field="specification")


def digest(*parts: object) -> str:
    """The SHA-256 of some values as JSON."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _wanted(specification: PipRequirements, field: str) -> list[Requirement]:
    found = requirements.parse(specification.requirements, field, specification.allow_urls)
    return [one for one in found if one.name != runtime.NAME]


def _check_python(version: str | None) -> None:
    if version is not None and tuple(map(int, version.split(".")[:2])) < LEAST_PYTHON:
        least = ".".join(map(str, LEAST_PYTHON))
        raise InvalidInput(
            f"python_version: {version} is too old: what runs a job needs {least}.",
            field="python_version",
            hint=f"Ask for {least} or newer, or for none: the workspace's own is used then.",
        )


def _pins(record: EnvironmentRecord) -> tuple[list[Requirement], list[str]]:
    """The captured packages as requirements, and what can't be installed again that way."""
    found, notes = [], []
    for package in record.packages:
        name = canonicalize_name(package.name)
        if name == runtime.NAME:
            continue
        if package.editable or (package.url is not None and not package.url.startswith("https:")):
            notes.append(f"{package.name} {package.version} was installed from {package.url}.")
        elif package.url is not None:
            found.append(Requirement(name, f"{name} @ {package.url}"))
        elif package.version:
            found.append(Requirement(name, f"{name}=={package.version}"))
    return found, notes


def _lock(
    wanted: Sequence[Requirement],
    version: str | None,
    log: Path,
    *,
    notes: Sequence[str] = (),
    complete: bool = False,
) -> Lock:
    """With `complete` the given packages are all that there will be."""
    python = tools.find_python(version)
    if python is None:
        raise InvalidInput(
            f"python_version: there is no Python {version} on the workspace's machine.",
            field="python_version",
            hint="Install it there, or leave the version out: the workspace's own is used then.",
        )
    _check_python(tools.python_version(python))
    lines = [one.text for one in wanted]
    if not complete:
        lines += runtime.requirements()
    with tempfile.TemporaryDirectory(prefix="mlws-lock-") as folder:
        asked, result = Path(folder) / "requirements.in", Path(folder) / "lock"
        asked.write_text("\n".join([*lines, ""]), encoding="utf-8")
        if uv := tools.find_uv():
            tool = "uv"
            _ask_uv(uv, python, asked, result, log, complete=complete)
            text = result.read_text(encoding="utf-8")
        else:
            tool = "pip"
            _ask_pip(python, asked, result, log, Path(folder), complete=complete)
            text = _from_report(json.loads(result.read_bytes()))
    text = _restricted(text, wanted)
    return Lock(
        text=text,
        python=python,
        python_version=tools.python_version(python),
        platform=f"{sys.platform}-{platform.machine()}",
        tool=tool,
        packages=len(_LOCKED.findall(text)),
        digest=digest(text),
        notes=list(notes),
    )


def _ask_uv(uv: str, python: str, asked: Path, result: Path, log: Path, *, complete: bool) -> None:
    words: list[str | Path] = [
        uv,
        "pip",
        "compile",
        asked,
        "--output-file",
        result,
        "--python",
        python,
    ]
    words += ["--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
    tools.run(
        [*words, "--no-deps"] if complete else words,
        what="Locking",
        log=log,
        seconds=PATIENCE_SECONDS,
    )


def _ask_pip(
    python: str, asked: Path, result: Path, log: Path, folder: Path, *, complete: bool
) -> None:
    """pip's own answer to what it would install, asked in an environment that has pip alone."""
    tools.run([python, "-m", "venv", folder / "venv"], what="Making a place for pip", log=log)
    words: list[str | Path] = [folder / "venv" / "bin" / "python", "-m", "pip", "install"]
    words += ["--dry-run", "--ignore-installed", "--quiet", "--report", result, "-r", asked]
    tools.run(
        [*words, "--no-deps"] if complete else words,
        what="Locking",
        log=log,
        seconds=PATIENCE_SECONDS,
    )


def _from_report(report: dict[str, Any]) -> str:
    """A lock of pip's installation report."""
    lines = []
    for item in report["install"]:
        name = canonicalize_name(item["metadata"]["name"])
        info = item["download_info"]
        digest = archive_hash(info.get("archive_info", {}))
        if digest is None:
            raise InvalidInput(
                f"{name} comes from where no hash is known.",
                field="requirements",
                hint="Install uv, which takes the hash of whatever it finds.",
            )
        what = f"{name}=={item['metadata']['version']}"
        if item.get("is_direct"):
            what = f"{name} @ {info['url']}"
        lines.append(f"{what} \\\n    --hash={digest}")
    return "\n".join([*sorted(lines), ""])


def _restricted(text: str, wanted: Sequence[Requirement]) -> str:
    """The lock with none but those hashes that the requirements give, where they give any."""
    given = {one.name: set(one.hashes) for one in wanted if one.hashes}
    blocks = re.split(r"\n(?=\S)", text.rstrip("\n"))
    found = []
    for block in blocks:
        match = _LOCKED.match(block)
        name = canonicalize_name(match[1]) if match else ""
        if name in given:
            hashes = [value for value in _HASHES.findall(block) if value in given[name]]
            if not hashes:
                raise InvalidInput(
                    f"requirements: no file of {name} has a hash that is given for it.",
                    field="requirements",
                    hint="The package was changed, or the hashes are another version's.",
                )
            head = block.partition(" \\")[0]
            block = " \\\n    ".join([head, *(f"--hash={value}" for value in hashes)])
        found.append(block)
    return "\n".join([*found, ""])
