"""A stand-alone server that tests kill, and start again at the same address."""

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_workspace_lab import Workspace

TOKEN = "a-token-for-these-tests-alone"


class Server:
    """Serves the workspace in `root`; `before` are words put before its command."""

    def __init__(self, root: Path, before: Sequence[str] = (), host: str = "127.0.0.1") -> None:
        self.root = root
        self._before = list(before)
        self._host = host
        self.port = free_port()
        self.url = f"http://{host}:{self.port}"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = [sys.executable, "-m", "ml_workspace_lab.cli.main", "-o", "json", "serve"]
        place = ["--host", self._host, "--port", str(self.port), "--token", TOKEN]
        self.process = subprocess.Popen(
            [*self._before, *words, "-w", str(self.root), *place], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline())["url"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def connect(self) -> Workspace:
        return Workspace.connect(self.url, TOKEN)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
