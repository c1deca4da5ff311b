"""Which interpreter stands for an environment, where one is there already."""

import os
import subprocess
from pathlib import Path

from ml_workspace_lab.environments import capture
from ml_workspace_lab.environments.building import key_of
from ml_workspace_lab.environments.builds import Builds
from ml_workspace_lab.environments.model import (
    BuildInfo,
    EnvironmentVersion,
    ExistingPython,
    KernelEnvironment,
)
from ml_workspace_lab.environments.record import EnvironmentRecord
from ml_workspace_lab.environments.tools import tail
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.storage.files import is_held


def ready(version: EnvironmentVersion, builds: Builds) -> str | None:
    """The interpreter to run with now; None where the environment has to be built first. A few
    milliseconds."""
    match version.specification:
        case ExistingPython(python):
            return python
        case KernelEnvironment(record) if is_unchanged(record):
            return record.executable
    if version.lock is None:
        return None
    build = builds.find(key_of(version.lock))
    if build is None:
        return None
    build.touch()
    return str(build.python)


def building_state(version: EnvironmentVersion, builds: Builds) -> BuildInfo:
    """How far an environment is built."""
    key = key_of(version.lock) if version.lock else None
    python = ready(version, builds)
    if python is not None:
        build = builds.find(key) if key else None
        if build is None or str(build.python) != python:
            return BuildInfo("unneeded", key, python)
        facts = build.facts
        log = tail(build.path / "build.log")
        return BuildInfo("ready", key, python, "", log, facts.bytes, facts.seconds)
    other = version.digest[:32]  # under which things are told while the packages aren't known
    newest = (builds.newest_log(key) if key else None) or builds.folder / f"{other}.log"
    if key and is_held(builds.folder / f"{key}.lock"):
        return BuildInfo("building", key, log=tail(newest))
    failure = (key and builds.failure(key)) or builds.failure(other)
    if failure:
        return BuildInfo("failed", key, reason=failure, log=tail(newest))
    return BuildInfo("absent", key)


def is_unchanged(record: EnvironmentRecord) -> bool:
    """Whether the interpreter of a record is there and still has what it had."""
    if not os.access(record.executable, os.X_OK):
        return False
    return capture.fingerprint(record.executable, record.folders) == record.fingerprint


def check(specification: ExistingPython) -> None:
    """Raise InvalidInput where the interpreter is none, or lacks this package."""
    python = specification.python
    if not Path(python).is_absolute() or not os.access(python, os.X_OK):
        raise InvalidInput(
            f"python: there is no interpreter {shown(python)} on the workspace's machine.",
            field="python",
            hint="Give the whole path of the interpreter's file.",
        )
    try:
        subprocess.run(
            [python, "-c", "import ml_workspace_lab.jobs.runner"],
            cwd="/",
            capture_output=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        raise InvalidInput(
            f"python: {shown(python)} does not have this package, which runs the jobs.",
            field="python",
            hint=f"{python} -m pip install ml_workspace_lab",
        ) from None
