"""Servers of instances as a user's own programs see them."""

import json
import urllib.request
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import psutil
import websocket

from ml_workspace_lab import ComputeInstance, Workspace
from ml_workspace_lab.compute.instances.folder import InstanceFolder, LaunchFolder
from tests.conftest import eventually


class Server:
    """The Jupyter server of an instance, by the address that its user is given."""

    def __init__(self, instance: ComputeInstance) -> None:
        found = instance.workspace.connection.instances.access(instance.name)
        self.base, self.token = found.base_url, found.token

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.base}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or "null")

    def start_kernel(self) -> "Kernel":
        return Kernel(self, self.ask("POST", "api/kernels", {"name": "python3"})["id"])


class Kernel:
    """A kernel of that server, which executes code over its web socket."""

    def __init__(self, server: Server, kernel_id: str) -> None:
        self.server, self.id = server, kernel_id
        query = urlencode({"token": server.token})
        address = f"{server.base}api/kernels/{kernel_id}/channels?{query}"
        self.socket = websocket.create_connection(address.replace("http", "ws", 1), timeout=30)

    def __del__(self) -> None:
        self.socket.close()

    def begin(self, code: str) -> str:
        """Send code to be executed; the message's id."""
        number = uuid4().hex
        header = {"msg_id": number, "msg_type": "execute_request", "session": "s", "username": "u"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        message = {
            "header": header, "parent_header": {}, "metadata": {}, "content": content,
            "channel": "shell", "buffers": [],
        }  # fmt: skip
        self.socket.send(json.dumps(message))
        return number

    def execute(self, code: str) -> str:
        """All that the code printed."""
        number, printed = self.begin(code), ""
        while True:
            message = json.loads(self.socket.recv())
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, content = message["msg_type"], message["content"]
            assert kind != "error", content
            if kind == "stream":
                printed += content["text"]
            if kind == "status" and content["execution_state"] == "idle":
                return printed

    def state(self) -> str:
        found: str = self.server.ask("GET", f"api/kernels/{self.id}")["execution_state"]
        return found


def launch_of(ws: Workspace, name: str) -> LaunchFolder:
    """The start of the instance that is the present one."""
    [launch] = InstanceFolder(ws.connection.storage.instance(name)).launches()  # type: ignore[attr-defined]
    return launch


def process_of(ws: Workspace, name: str) -> psutil.Process:
    """The process that is the instance's server."""
    native = eventually(lambda: launch_of(ws, name).process.read_text())
    return psutil.Process(int(native.partition(":")[0]))


def set_idle_seconds(ws: Workspace, name: str, seconds: float) -> None:
    """Less than the minute that is the least which users can say."""
    with ws.connection.storage.database.write() as transaction:  # type: ignore[attr-defined]
        transaction.execute(
            "UPDATE compute_instance SET idle_seconds = :seconds WHERE name = :name",
            seconds=seconds,
            name=name,
        )
