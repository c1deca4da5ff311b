"""Deployment manifests as the agent reads them."""

import json
from typing import Any

import pytest

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.packages import edge
from ml_workspace_lab.models.packages.credentials import Credentials
from ml_workspace_lab.models.packages.edge_agent.wanted import Desired, Module, Work, read


def document(**changes: Any) -> dict[str, Any]:
    found = edge.manifest(edge.Module("scale", "host/scale:1", 8080, "/keys", {"LEVEL": "1"}))
    found["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"]["scale"] |= changes
    return found


def agent(found: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = found["modulesContent"]["$edgeAgent"]["properties.desired"]
    return part


def options(text: str) -> dict[str, Any]:
    return {"settings": {"image": "host/scale:1", "createOptions": text}}


def reading(found: object) -> Desired:
    return read(json.dumps(found).encode())


def test_what_is_written_here_is_read_here() -> None:
    variables = {"LEVEL": "1", "ML_WORKSPACE_SCORING_KEYS_FILE": "/run/scoring-keys"}
    work = Work("host/scale:1", "1.0", 8080, variables, {"/run/scoring-keys": "/keys"})
    module = Module("scale", work, is_running=True, restart="always")
    assert reading(document()) == Desired({"scale": module}, {})


def test_long_options_and_logins_are_read() -> None:
    found = edge.manifest(edge.Module("scale", "image", keys_file="/k" * 300))
    login = {"address": "host.example", "username": "lena", "password": "secret"}
    agent(found)["runtime"]["settings"]["registryCredentials"] = {"own": login}
    said = reading(found)
    assert said.modules["scale"].work.binds == {"/run/scoring-keys": "/k" * 300}
    assert said.modules["scale"].work.port is None
    assert said.credentials == {"host.example": Credentials("lena", "secret")}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "paused"}, "status"),
        ({"restartPolicy": "sometimes"}, "restartPolicy"),
        ({"settings": {}}, "names no image"),
        (options("{"), "is no JSON"),
        (options('{"HostConfig": {"Devices": []}}'), "Devices"),
        (options('{"Cmd": ["sh"]}'), "Cmd"),
        (options('{"HostConfig": {"Binds": ["a:b"]}}'), "bind"),
        (options('{"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}}'), "5001"),
        ({"env": {"A": {"value": ["b"]}}}, "env"),
    ],
)  # fmt: skip
def test_what_a_device_cannot_do_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        reading(document(**changes))


def test_a_port_has_one_module_and_a_module_a_name() -> None:
    found = document()
    modules = agent(found)["modules"]
    modules["other"] = modules["scale"]
    with pytest.raises(InvalidInput, match="both want the port 8080"):
        reading(found)
    modules["../other"] = modules.pop("other")
    with pytest.raises(InvalidInput, match="no name"):
        reading(found)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"modulesContent": {}}', b"\xff"])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="deployment manifest"):
        read(content)
