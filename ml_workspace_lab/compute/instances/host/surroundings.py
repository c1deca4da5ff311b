"""What kernels, terminals and scripts of an instance find around them: the variables of its user
and of its environment, the workspace, and a kernel that runs in the environment."""

import json
import os
import sys
from pathlib import Path

from ml_workspace_lab.compute.instances.folder import LaunchFolder, Order
from ml_workspace_lab.compute.wake import note_changes
from ml_workspace_lab.environments.building import Progress
from ml_workspace_lab.environments.builds import Build, Builds
from ml_workspace_lab.environments.model import EnvironmentVersion
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import disk_errors, write_atomic
from ml_workspace_lab.workspace import folder

OF_AN_INTERPRETER = ("PYTHONPATH", "PYTHONHOME")


def surround(launch: LaunchFolder, order: Order) -> None:
    """Change this process's environment. Raises BuildFailed and others where the environment can't
    be had."""
    python, changes = sys.executable, dict[str, str | None]()
    if order.environment is not None:
        services = Services(folder.open_(Path(order.workspace)))
        version = services.environments.resolve(order.environment)
        python = _interpreter(services, version, launch)
        if _is_built(python, services):
            changes |= dict.fromkeys(OF_AN_INTERPRETER)
        changes |= version.environment_variables
        changes["VIRTUAL_ENV"] = str(Path(python).parent.parent)
    _offer_kernel(launch, python, order.environment)
    changes["PATH"] = _first(str(Path(python).parent), "PATH", os.defpath)
    changes |= order.variables
    changes["ML_WORKSPACE"] = order.workspace
    changes["JUPYTER_RUNTIME_DIR"] = str(launch.runtime)
    changes["JUPYTER_CONFIG_DIR"] = str(launch.instance.jupyter / "config")
    changes["JUPYTER_PATH"] = _first(str(launch.instance.jupyter / "share"), "JUPYTER_PATH")
    note_changes(changes)


def _interpreter(services: Services, version: EnvironmentVersion, launch: LaunchFolder) -> str:
    """The environment's interpreter, kept from being removed while this process lives."""

    def say(text: str) -> None:
        print(f"Environment {version.name}:{version.version}: {text}", flush=True)  # noqa: T201

    def write(text: bytes) -> None:
        sys.stdout.buffer.write(text)
        sys.stdout.flush()

    log = launch.path / "environment.log"
    python = services.environments.interpreter_of(version, log, Progress(say, write))
    if _is_built(python, services) and not Build(Path(python).parent.parent).hold():
        raise NotFound(f"{version.name}:{version.version} was removed while it was to be entered.")
    return python


def _is_built(python: str, services: Services) -> bool:
    return Path(python).parent.parent.parent == Builds.of(services.storage.root).folder


def _offer_kernel(launch: LaunchFolder, python: str, environment: str | None) -> None:
    """Let the server's Python kernel be that of the environment."""
    place = launch.instance.jupyter / "share" / "kernels" / "python3" / "kernel.json"
    if environment is None:
        place.unlink(missing_ok=True)
        return
    kernel = {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python 3 ({environment})",
        "language": "python",
        "metadata": {"debugger": True},
    }
    with disk_errors():
        place.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(place, json.dumps(kernel).encode())


def _first(folder: str, variable: str, default: str = "") -> str:
    """The variable's folders with one before them."""
    return os.pathsep.join([folder, *filter(None, [os.environ.get(variable, default)])])
