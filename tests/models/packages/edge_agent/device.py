"""A device of the tests' own: the agent as a real process, and what its user sees of it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_workspace_lab import processes
from ml_workspace_lab.models.packages import edge
from ml_workspace_lab.models.packages.edge_agent.launching import MARK
from tests import http
from tests.http import Answer
from tests.models.packages.containers import KEY, score
from tests.models.packages.registry import free_port
from tests.waiting import eventually

NAME = "scale"


@dataclass
class Device:
    """A folder with a manifest and keys; the module's port is `port`."""

    path: Path
    port: int = field(default_factory=free_port)
    agent: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.path.mkdir()
        self.keys.write_text(f"{KEY}\n")

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def manifest(self) -> Path:
        return self.path / "deployment.json"

    @property
    def folder(self) -> Path:
        return self.path / "agent"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def document(self, image: object, **changes: Any) -> dict[str, Any]:
        module = edge.Module(NAME, str(image), self.port, str(self.keys))
        found = edge.manifest(module)
        found["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"][NAME] |= changes
        return found

    def want(self, image: object, **changes: Any) -> None:
        """Write the manifest as a user replaces a file."""
        new = self.path / "new.json"
        new.write_text(json.dumps(self.document(image, **changes)))
        new.replace(self.manifest)

    def start(self, *words: object, desired: object = None, folder: Path | None = None) -> None:
        given = ["edge", "run", "--desired", desired or self.manifest]
        given += ["--folder", folder or self.folder, "--interval", "0.3", "--probation", "1.5"]
        with (self.path / "log.txt").open("ab") as log:
            self.agent = subprocess.Popen(
                [sys.executable, "-m", "ml_workspace_lab.cli.main", *map(str, (*given, *words))],
                stdout=log,
                stderr=log,
            )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.agent is not None
        self.agent.send_signal(number)
        return self.agent.wait(60)

    def said(self) -> str:
        return (self.path / "log.txt").read_text()

    def reported(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "reported.json").read_bytes())
        except FileNotFoundError:
            return {"modules": {}}
        return found

    def module(self) -> dict[str, Any]:
        found: dict[str, Any] = self.reported()["modules"].get(NAME, {})
        return found

    def until(self, condition: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """The report on the module, once it is so."""

        def is_so() -> dict[str, Any]:
            found = self.module()
            return found if condition(found) else {}

        try:
            return eventually(is_so, 60, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.module()}\n{self.said()}") from None

    def runs(self, image: object) -> dict[str, Any]:
        """Wait until that image is the current version, and answers."""
        return self.until(
            lambda m: (
                m.get("image") == str(image)
                and m["status"] == "running"
                and m.get("update", {}).get("status") in (None, "failed")
            ),
            f"{image} runs",
        )

    def ask(self, x: object = 3) -> Answer:
        return score(self.address, {"x": x})

    def processes(self) -> list[int]:
        """Processes of the module."""
        device = (self.folder / "device").read_text()
        return [one.pid for one in processes.marked(MARK, f"{device}/{NAME}")]

    def clean(self) -> None:
        if self.agent is not None and self.agent.poll() is None:
            self.agent.kill()
            self.agent.wait()
        if (self.folder / "device").exists():
            processes.end_marked(MARK, f"{(self.folder / 'device').read_text()}/{NAME}")


@contextmanager
def device(path: Path) -> Iterator[Device]:
    found = Device(path)
    try:
        yield found
    finally:
        found.clean()


def is_silent(port: int) -> bool:
    try:
        http.request("GET", f"http://127.0.0.1:{port}/", None, {})
    except OSError:
        return True
    return False
