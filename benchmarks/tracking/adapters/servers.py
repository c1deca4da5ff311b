"""Servers that a peer needs: started on a free port, waited for, and ended."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

OURS = os.environ.get("BENCHMARK_PYTHON", "")
"""The Python with our own package, for peers that run under another."""
READY_WITHIN = 120.0
CREATE = """
import sys
from ml_workspace_lab import Workspace
from ml_workspace_lab.access.model import CreateToken
workspace = Workspace.create("bench", sys.argv[1])
print(workspace.connection.tokens.create(CreateToken("bench", ["*"])).token)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@contextmanager
def serving(
    words: Sequence[str], log: Path, ready: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A server that answers 200 at `ready`. Raises RuntimeError where it doesn't in time."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, stdout=out, stderr=out, env={**os.environ, **(environment or {})}
        )
    try:
        until = time.monotonic() + READY_WITHIN
        while not answers(ready):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"no server: {log.read_text()[-300:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def create(python: str, store: Path) -> str:
    """A workspace of ours; a token for all of it."""
    words = [python, "-c", CREATE, str(store)]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextmanager
def jupyter(python: str, folder: Path) -> Iterator[tuple[str, str]]:
    """A Jupyter server with a workspace of ours; its address, and a token of the workspace."""
    token = create(python, folder / "store")
    port = free_port()
    words = [
        python, "-m", "jupyter", "server", "--allow-root", "--no-browser",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder}", "--ServerApp.jpserver_extensions=ml_workspace_lab=True",
        f"--MLWorkspaceLab.workspace={folder / 'store'}",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with serving(words, folder / "server.log", f"{url}/api"):
        yield url, token
