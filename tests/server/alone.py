"""`ml-workspace serve` as a process of its own, with a tiny protocol in the place of MLflow's."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_workspace_lab import Workspace
from tests.conftest import Server, end_agents
from tests.http import Answer, request
from tests.server.http import Client


@dataclass(frozen=True)
class Alone(Server):
    """A server of our own. `said` is what it printed once it answered."""

    said: dict[str, Any]

    @property
    def token(self) -> str:
        return self.said["token"] or ""

    @property
    def ask(self) -> Client:
        """Asks the API as the Owner."""
        return Client(self.url, f"Bearer {self.token}")

    def get(self, path: str, **headers: str) -> Answer:
        """What a GET of any path is answered, with the Owner's token unless another is given."""
        sent = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return request("GET", self.url.rstrip("/") + path, None, sent)


def launch(root: Path, *options: str) -> "subprocess.Popen[str]":
    def listen_to_interrupts() -> None:
        # Tests that a shell started in the background inherit that interrupts are ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    words = [sys.executable, "-m", "tests.server.tiny", "-w", str(root), "-o", "json", "serve"]
    return subprocess.Popen(
        [*words, *options], cwd=Path(__file__).parents[2], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=listen_to_interrupts,
    )  # fmt: skip


def answering(process: "subprocess.Popen[str]", root: Path) -> Alone:
    """The server once it has said that it answers."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()
    said = json.loads(line)
    return Alone(said["url"] + "/", root, process, said)  # type: ignore[arg-type]


def refusal(root: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the error of a server that does not start."""
    process = launch(root, *options)
    try:
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert out == ""
    return process.returncode, json.loads(err)


def end(server: Alone, number: int = signal.SIGTERM, seconds: float = 20) -> int:
    """Signal the server and wait for its end; its exit code."""
    server.process.send_signal(number)
    return server.process.wait(seconds)


@contextmanager
def served(root: Path, *options: str) -> Iterator[Alone]:
    """A server of the workspace in `root` on a free port."""
    process = launch(root, "--port", "0", *options)
    try:
        yield answering(process, root)
    finally:
        process.kill()
        process.communicate()
        end_agents(root)


def new_workspace(folder: Path) -> Path:
    Workspace.create("served", folder / "store").close()
    return folder / "store"
