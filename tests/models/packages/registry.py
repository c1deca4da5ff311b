"""A registry of the tests' own: Debian's `docker-registry`, in a folder, on a free port."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import http
from tests.waiting import eventually

USER, PASSWORD = "lena", "correct horse"
HASHED = "$2b$04$u/4fvYU8lsQ3.HpURgvEk..m5n9J8VA72FxUDguWJ2axA1YuHu3bu"


def program() -> str:
    """The registry's program; a test that needs it is skipped where there is none."""
    found = shutil.which("docker-registry") or shutil.which("registry")
    if found is None:
        pytest.skip("docker-registry is not installed: scripts/install_registry does that, as root")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(folder: Path, auth: dict[str, Any] | None = None) -> Iterator[str]:
    """A registry that answers; its host and port."""
    words = program()
    folder.mkdir()
    host = f"127.0.0.1:{free_port()}"
    settings: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info", "fields": {}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
    }
    if auth is not None:
        settings["auth"] = auth
    (folder / "config.yml").write_text(yaml.safe_dump(settings))
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([words, "serve", folder / "config.yml"], stdout=log, stderr=log)

    def answers() -> bool:
        assert process.poll() is None, (folder / "log.txt").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(host.rpartition(":")[2]))) == 0

    try:
        eventually(answers, what="the registry listens")
        yield host
    finally:
        process.terminate()
        process.wait(10)


def with_password(folder: Path) -> dict[str, Any]:
    """Settings of a registry that only USER may use."""
    (folder / "htpasswd").write_text(f"{USER}:{HASHED}\n")
    return {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}


def tags(host: str, repository: str) -> list[str]:
    answer = http.request("GET", f"http://{host}/v2/{repository}/tags/list", None, {})
    found: list[str] = answer.json["tags"]
    return sorted(found)
