"""What a deployment manifest wants of a device, in the agent's own words."""

import json
import re
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.models.packages.credentials import Credentials
from ml_workspace_lab.models.packages.edge import PARTS
from ml_workspace_lab.models.packages.places import PORT

Restart = Literal["always", "on-failure", "on-unhealthy", "never"]
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_OF_CONTAINERS = {"CapDrop", "ReadonlyRootfs", "Tmpfs"}
"""Options that confine a container. There is none here: a process is the user's that runs it."""


class Work(Struct, frozen=True):
    """What a module runs: any other work is another version. `port` is that of the device, None
    where it has none; `binds` are files of the device by the paths that the image knows them by."""

    image: str
    version: str = ""
    port: int | None = None
    variables: dict[str, str] = field(default_factory=dict)
    binds: dict[str, str] = field(default_factory=dict)


class Module(Struct, frozen=True):
    """A module: its work, whether that is to be done, and when it is begun again."""

    name: str
    work: Work
    is_running: bool
    restart: Restart


class Desired(Struct, frozen=True):
    """All modules of a device, and who it is to registries, by their hosts."""

    modules: dict[str, Module]
    credentials: dict[str, Credentials]


class _Login(Struct):
    address: str
    username: str
    password: str


class _RuntimeSettings(Struct, rename="camel"):
    registry_credentials: dict[str, _Login] = field(default_factory=dict)


class _Runtime(Struct):
    settings: _RuntimeSettings = field(default_factory=_RuntimeSettings)


class _Variable(Struct):
    value: str | int | float | bool


class _Module(Struct, rename="camel"):
    settings: dict[str, Any]
    status: Literal["running", "stopped"]
    restart_policy: Restart
    version: str = ""
    env: dict[str, _Variable] = field(default_factory=dict)


class _Agent(Struct):
    modules: dict[str, _Module]
    runtime: _Runtime = field(default_factory=_Runtime)


class _Binding(Struct, rename="pascal"):
    host_port: str
    host_ip: str = ""


class _Host(Struct, rename="pascal"):
    binds: list[str] = field(default_factory=list)
    port_bindings: dict[str, list[_Binding]] = field(default_factory=dict)


class _Options(Struct, rename="pascal"):
    env: list[str] = field(default_factory=list)
    exposed_ports: dict[str, Any] = field(default_factory=dict)
    host_config: _Host = field(default_factory=_Host)


def read(content: bytes) -> Desired:
    """What a manifest wants. Raises InvalidInput that names the part which can't be read, or
    which a device without a container engine can't do."""
    try:
        document = json.loads(content)
        agent = document["modulesContent"]["$edgeAgent"]["properties.desired"]
    except (ValueError, RecursionError):
        raise InvalidInput("The deployment manifest is no JSON.", field="desired") from None
    except (KeyError, TypeError):
        raise InvalidInput(
            "The deployment manifest has no modulesContent.$edgeAgent.properties.desired.",
            field="desired",
            hint="`ml-workspace model package --edge FILE` writes one.",
        ) from None
    said = _as(agent, _Agent, "$edgeAgent")
    modules = {name: _module(name, one) for name, one in said.modules.items()}
    _check_ports(modules)
    logins = said.runtime.settings.registry_credentials.values()
    who = {login.address: Credentials(login.username, login.password) for login in logins}
    return Desired(modules, who)


def _module(name: str, said: _Module) -> Module:
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{shown(name)} is no name of a module.", field="modules")
    where = f"modules.{name}"
    options = _options(said.settings, where)
    image = said.settings.get("image")
    if not isinstance(image, str) or not image.strip():
        raise InvalidInput(f"{where}.settings.image: names no image.", field="image")
    binds = dict(_bind(text, where) for text in options.host_config.binds)
    variables = dict(_assignment(text, where) for text in options.env)
    variables |= {key: _as_text(one.value) for key, one in said.env.items()}
    work = Work(image.strip(), said.version, _port(options.host_config, where), variables, binds)
    return Module(name, work, said.status == "running", said.restart_policy)


def _options(settings: dict[str, Any], where: str) -> _Options:
    """The options of the container, which are JSON in a text, in parts."""
    names = ["createOptions", *(f"createOptions{number:02}" for number in range(1, PARTS))]
    parts = [settings[name] for name in names if name in settings]
    if not parts or parts == [""]:
        return _Options()
    try:
        found = json.loads("".join(parts)) if isinstance(parts[0], str) else parts[0]
    except (ValueError, TypeError, RecursionError):
        raise InvalidInput(
            f"{where}.settings.createOptions: is no JSON.", field="createOptions"
        ) from None
    options: _Options = _as(found, _Options, f"{where}.settings.createOptions")
    host = found.get("HostConfig") or {}
    unknown = set(found) - {"Env", "ExposedPorts", "HostConfig"}
    unknown |= set(host) - {"Binds", "PortBindings"} - _OF_CONTAINERS
    if unknown:
        raise InvalidInput(
            f"{where}.settings.createOptions: a device without a container engine can't do"
            f" {', '.join(sorted(unknown))}.",
            field="createOptions",
        )
    return options


def _bind(text: str, where: str) -> tuple[str, str]:
    """The path that the image knows, and the file of the device."""
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not (source.startswith("/") and target.startswith("/")) or mode not in ("", "ro"):
        raise InvalidInput(
            f"{where}: the bind {shown(text)} is not FILE:PATH:ro with absolute paths.",
            field="Binds",
        )
    return target, source


def _assignment(text: str, where: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise InvalidInput(f"{where}: {shown(text)} in Env is not NAME=VALUE.", field="Env")
    return name, value


def _as_text(value: str | float | bool) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _port(host: _Host, where: str) -> int | None:
    """The port of the device that leads to the module."""
    if not host.port_bindings:
        return None
    bindings = host.port_bindings.get(f"{PORT}/tcp") or []
    if len(host.port_bindings) != 1 or len(bindings) != 1 or bindings[0].host_ip:
        raise InvalidInput(
            f"{where}: PortBindings is to lead one port of the device, on all its addresses, to"
            f" {PORT}/tcp.",
            field="PortBindings",
        )
    text = bindings[0].host_port
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise InvalidInput(f"{where}: {shown(text)} is no port.", field="HostPort")
    return int(text)


def _check_ports(modules: dict[str, Module]) -> None:
    seen: dict[int, str] = {}
    for name, module in modules.items():
        port = module.work.port
        if port is not None and (other := seen.setdefault(port, name)) != name:
            raise InvalidInput(
                f"The modules {other} and {name} both want the port {port}.", field="HostPort"
            )


def _as(value: Any, kind: type[Any], where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{where}: {error}.", field="desired") from None
