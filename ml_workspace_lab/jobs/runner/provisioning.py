"""How a runner comes into the environment that its run is to run in."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_workspace_lab.environments.building import Progress
from ml_workspace_lab.environments.builds import Build, Builds
from ml_workspace_lab.environments.model import EnvironmentVersion
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.experiments.model import Progress as Shown
from ml_workspace_lab.jobs.runner.link import Link
from ml_workspace_lab.services import Services

ENTERED = "ML_WORKSPACE_ENVIRONMENT"
"""Which environment a process is in, for itself and its children: NAME:VERSION."""
_OF_AN_INTERPRETER = ("PYTHONPATH", "PYTHONHOME")


def interpreter(link: Link, services: Services, version: EnvironmentVersion) -> str:
    """The interpreter of an environment, which is locked and built, for everybody to see, where it
    isn't yet. Raises what says why it can't be had, and whatever interrupts the wait."""

    def say(text: str) -> None:
        label = f"Environment {_name(version)}: {text}"
        link.report_progress(Shown(0, 0, label))

    log = link.files.path / "environment.log"
    return services.environments.interpreter_of(version, log, Progress(say, link.write_log))


def is_inside(python: str) -> bool:
    """Whether this process is already in the environment of an interpreter."""
    return Path(sys.prefix).resolve() == Path(python).parent.parent.resolve()


def settle(services: Services, version: EnvironmentVersion) -> None:
    """Set what the run's code finds in its environment, and keep that from being removed."""
    built = Build(Path(sys.prefix))
    is_built = built.path.parent == Builds.of(services.storage.root).folder
    if is_built and not built.hold():
        raise NotFound(f"{_name(version)} was removed while the run was to begin.")
    for name in _OF_AN_INTERPRETER if is_built else ():
        os.environ.pop(name, None)
    os.environ[ENTERED] = _name(version)
    os.environ.update(version.environment_variables)


def replace(python: str, arguments: Sequence[str], handed_over: Mapping[str, str]) -> None:
    """Become another interpreter's process: pid and start time stay what they are."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    environment = {n: v for n, v in os.environ.items() if n not in _OF_AN_INTERPRETER}
    folder = str(Path(python).parent)
    environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", os.defpath)])
    environment["VIRTUAL_ENV"] = str(Path(folder).parent)
    os.execve(python, [python, *arguments], {**environment, **handed_over})  # noqa: S606


def _name(version: EnvironmentVersion) -> str:
    return f"{version.name}:{version.version}"
