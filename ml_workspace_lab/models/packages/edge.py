"""The deployment manifest by which Azure IoT Edge runs an image as a module of a device."""

import json
import re
from typing import Any

from msgspec import Struct, field

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.packages.places import KEYS_FILE_VARIABLE, PORT

RUNTIME = "mcr.microsoft.com/azureiotedge"
RUNTIME_VERSION = "1.5"
_HUB_PORTS = (443, 5671, 8883)
PART = 512
"""Characters of one value of a module's settings; a longer one goes on in the next."""
PARTS = 8
KEYS_FILE = "/etc/ml-workspace/scoring-keys"
_KEYS = "/run/scoring-keys"


class Module(Struct, frozen=True):
    """How a device runs an image: the port of the device that leads to it (None for none: other
    modules reach it all the same), and the file of the device that holds the keys."""

    name: str
    image: str
    port: int | None = None
    keys_file: str = KEYS_FILE
    environment_variables: dict[str, str] = field(default_factory=dict)


def module_name(model: str) -> str:
    """A model's name as one of a module, which has letters, digits, `-`, `_` and `.` alone."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", model)[:128].strip("-.") or "model"


def manifest(module: Module) -> dict[str, Any]:
    """The manifest of a device that has this module alone. Raises InvalidInput where its settings
    are longer than a device is told."""
    return {
        "modulesContent": {
            "$edgeAgent": {"properties.desired": _agent(module)},
            "$edgeHub": {
                "properties.desired": {
                    "schemaVersion": "1.1",
                    "routes": {},
                    "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
                }
            },
        }
    }


def _agent(module: Module) -> dict[str, Any]:
    bindings = {f"{port}/tcp": [{"HostPort": str(port)}] for port in _HUB_PORTS}
    hub = {"HostConfig": {"PortBindings": bindings}}
    return {
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {"registryCredentials": {}}},
        "systemModules": {
            "edgeAgent": {
                "type": "docker",
                "settings": _settings(f"{RUNTIME}-agent:{RUNTIME_VERSION}", {}),
            },
            "edgeHub": {
                "type": "docker",
                "status": "running",
                "restartPolicy": "always",
                "startupOrder": 0,
                "settings": _settings(f"{RUNTIME}-hub:{RUNTIME_VERSION}", hub),
            },
        },
        "modules": {
            module.name: {
                "type": "docker",
                "version": "1.0",
                "status": "running",
                "restartPolicy": "always",
                "startupOrder": 1,
                "env": {
                    name: {"value": value}
                    for name, value in {
                        **module.environment_variables,
                        KEYS_FILE_VARIABLE: _KEYS,
                    }.items()
                },
                "settings": _settings(module.image, _container(module)),
            }
        },
    }


def _container(module: Module) -> dict[str, Any]:
    """What a container of the module may do: no more than it needs."""
    host: dict[str, Any] = {
        "Binds": [f"{module.keys_file}:{_KEYS}:ro"],
        "CapDrop": ["ALL"],
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": ""},  # noqa: S108 - in a container
    }
    if module.port is not None:
        host["PortBindings"] = {f"{PORT}/tcp": [{"HostPort": str(module.port)}]}
    return {"ExposedPorts": {f"{PORT}/tcp": {}}, "HostConfig": host}


def _settings(image: str, options: dict[str, Any]) -> dict[str, str]:
    """An image with the options of its container, which are JSON in a text, in parts."""
    text = json.dumps(options, separators=(",", ":"), sort_keys=True)
    parts = [text[at : at + PART] for at in range(0, len(text), PART)]
    if len(parts) > PARTS:
        raise InvalidInput("The options of the module's container are too long.", field="edge")
    names = ["createOptions", *(f"createOptions{number:02}" for number in range(1, len(parts)))]
    return {"image": image, **dict(zip(names, parts, strict=True))}
