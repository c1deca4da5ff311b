"""What all tests share: workspaces here and behind a real server, and waiting for conditions."""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings
from jupyter_core.paths import jupyter_runtime_dir

from ml_workspace_lab import Workspace
from ml_workspace_lab.access.model import CreateToken
from ml_workspace_lab.compute.wake import AGENT, PARENT
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.workspace.folder import is_ready
from tests.postgresql import postgresql as postgresql
from tests.waiting import eventually as eventually

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# Background processes of tests leave soon after their work is done, but not so soon that a server,
# which looks after its own every 15 seconds, starts one again and again.
os.environ["ML_WORKSPACE_AGENT_IDLE_SECONDS"] = "20"
# What is remembered of folders is not the user's own.
os.environ["ML_WORKSPACE_CACHE"] = tempfile.mkdtemp(prefix="ml-workspace-cache-")
atexit.register(shutil.rmtree, os.environ["ML_WORKSPACE_CACHE"], ignore_errors=True)
# Most tests have one run, and are over before a process that was started ahead would be of use.
os.environ["ML_WORKSPACE_PREWARMED"] = "0"
# On a busy machine a short run is long enough for a reading, which is none of its own metrics.
os.environ["ML_WORKSPACE_SYSTEM_METRICS_SECONDS"] = "0"
for name in ("ML_WORKSPACE", "ML_WORKSPACE_RUN_ID", "AZUREML_RUN_ID", "JPY_SESSION_NAME"):
    os.environ.pop(name, None)


def agents(root: Path, module: str = AGENT) -> list[psutil.Process]:
    """The background processes of the workspace in `root`, or others of that module."""
    return [
        process
        for process in psutil.process_iter()
        if arguments_of(process)[1:4] == ["-m", module, str(root)]
    ]


SERVER = "ml_workspace_lab.server.nodes"
"""The server for compute targets, which leaves some time after its workspace's agent."""
OWN = {AGENT, PARENT, SERVER}
"""What a workspace has for itself."""


def of_workspace(root: Path) -> list[psutil.Process]:
    """Every process that was started for the workspace in `root`, its agent with its parent and the
    server for its compute targets left out."""
    return [
        process
        for process in psutil.process_iter()
        if any(str(root) in word for word in arguments_of(process))
        and not OWN & set(arguments_of(process))
    ]


def arguments_of(process: psutil.Process) -> list[str]:
    """The words that a process was started with; none of one that has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def end_agents(root: Path) -> None:
    """Kill the agent's parent, which would start it again, the agent, and then the server that it
    would start again."""
    for module in (PARENT, AGENT, SERVER):
        found = agents(root, module)
        for process in found:
            process.kill()
        psutil.wait_procs(found, timeout=5)


def pytest_configure() -> None:
    # A shell's background job ignores Ctrl-C, and so would all that tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def database_url() -> str | None:
    """Where a new workspace keeps its records: in a file. Folders of tests that run on PostgreSQL,
    too, have another fixture of this name."""
    return None


@pytest.fixture
def ws(tmp_path: Path, database_url: str | None) -> Iterator[Workspace]:
    """A new workspace in a folder."""
    root = tmp_path / "store"
    workspace = Workspace.create("lab", root, database=database_url)
    yield workspace
    try:
        if is_ready(root):
            end_work(Workspace.open(root))
        eventually(lambda: not of_workspace(root), what="all processes end")
    finally:
        end_agents(root)
        for process in of_workspace(root):
            process.kill()


def end_work(workspace: Workspace) -> None:
    """Cancel the runs that a failed test left, delete the endpoints and compute instances."""
    for run in workspace.runs(active=True):
        with suppress(Conflict):  # ended meanwhile
            run.cancel()
    for endpoint in workspace.endpoints.values():
        endpoint.delete()
    for instance in workspace.compute_instances.values():
        if instance.info().state != "Deleting":
            instance.delete(wait=False)


@dataclass(frozen=True)
class Server:
    """A Jupyter server of its own process that serves a workspace."""

    url: str
    root: Path
    process: "subprocess.Popen[bytes]"

    @property
    def local(self) -> Workspace:
        return Workspace.open(self.root)

    def connect(self, actions: tuple[str, ...] = ("*",)) -> Workspace:
        token = self.local.connection.tokens.create(CreateToken("test", list(actions)))
        return Workspace.connect(self.url, token.token)


OF_JUPYTERLAB = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim")
"""Extensions that a server does without, which starts the sooner."""


def start_server(folder: Path, workspace: Path | None, *options: str) -> Server:
    """A Jupyter server on a free port, answering."""
    log = (folder / "server.log").open("wb")
    words = [
        sys.executable, "-m", "jupyter", "server", "--allow-root", "--no-browser",
        "--ServerApp.port=0", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={folder}",
        "--ServerApp.jpserver_extensions=ml_workspace_lab=True", "--ServerApp.base_url=/a%40b/",
        *(f"--ServerApp.jpserver_extensions={name}=False" for name in OF_JUPYTERLAB), *options,
    ]  # fmt: skip
    if workspace is not None:
        words.append(f"--MLWorkspaceLab.workspace={workspace}")
    process = subprocess.Popen(words, stdout=log, stderr=log)
    info = server_info(process, Path(jupyter_runtime_dir()), folder / "server.log")
    return Server(info["url"], workspace or folder, process)


def server_info(process: "subprocess.Popen[bytes]", runtime: Path, log: Path) -> dict[str, Any]:
    """What a Jupyter server writes down: its address, port and token. It does so before it listens,
    so a connection is tried, too."""
    file = runtime / f"jpserver-{process.pid}.json"

    def read() -> Any:
        assert process.poll() is None, f"the server ended: {log.read_text()}"
        info = file.exists() and json.loads(file.read_text() or "null")
        if not info:
            return None
        place = ("127.0.0.1", info["port"])
        with suppress(ConnectionRefusedError), socket.create_connection(place):
            return info
        return None

    found: dict[str, Any] = eventually(read, 60, "the server answers")
    return found


def end_server(process: "subprocess.Popen[bytes]") -> None:
    """Stop a Jupyter server. One that has shut down may still wait for a thread of its own: at its
    exit, AnyIO's worker threads are now and then never told that the loop is gone."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    Workspace.create("served", folder / "store")
    running = start_server(folder, folder / "store")
    yield running
    end_server(running.process)
    end_work(running.local)
    eventually(lambda: not of_workspace(running.root))
    end_agents(running.root)


@pytest.fixture(params=["open", "connect"])
def either(request: pytest.FixtureRequest, server: Server) -> Iterator[Workspace]:
    """The same workspace through its folder and through its server."""
    workspace = server.local if request.param == "open" else server.connect()
    yield workspace
    workspace.close()
