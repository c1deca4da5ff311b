"""Images unpacked, and run by chroot: what a container engine does, without one."""

import gzip
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Package
from ml_workspace_lab.client.files import save
from ml_workspace_lab.models.packages import layouts
from ml_workspace_lab.models.packages.verifying import verified
from tests import http
from tests.http import Answer
from tests.models.packages.registry import free_port
from tests.waiting import eventually

KEY = "a key"


def chroot() -> list[str]:
    """What changes the root; as somebody else where that can be."""
    program = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program is not None
    if os.geteuid() == 0:
        return [program, "--userspec=65532:65532"]
    unshare = shutil.which("unshare")
    words = [str(unshare), "--user", "--map-root-user"]
    if not unshare or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("changing the root takes root, or a kernel with user namespaces for everybody")
    return [*words, program]


def unpack(layout: Path, root: Path) -> dict[str, Any]:
    """Lay out an image's files; its config."""
    root.mkdir(mode=0o755)
    with layouts.reading(layout, None) as image:
        for layer in image.manifest.layers:
            with (
                verified(image, layer) as packed,
                gzip.open(packed) as plain,
                tarfile.open(fileobj=plain, mode="r|") as archive,
            ):
                archive.extractall(root, filter="tar")
        config: dict[str, Any] = json.loads(image.config_content)
        return config


@contextmanager
def container(root: Path, config: dict[str, Any], log: Path, **variables: str) -> Iterator[str]:
    """The image's process, read-only to itself; its address once it answers."""
    port = free_port()
    given = dict(line.split("=", 1) for line in config["config"]["Env"])
    given |= {"ML_WORKSPACE_SCORING_PORT": str(port), **variables}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*chroot(), root, *config["config"]["Entrypoint"]],
            env={"PATH": os.environ["PATH"]} | given,
            cwd=root,
            stdout=said,
            stderr=said,
        )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return http.request("GET", f"{address}/", None, {}).status == 200
        except ConnectionRefusedError:
            return False

    try:
        eventually(answers, 60, "the container answers")
        yield address
        process.terminate()
        assert process.wait(20) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def score(address: str, body: object, key: str = KEY) -> Answer:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return http.request("POST", f"{address}/score", json.dumps(body), headers)


def names_in(made: Package, path: Path) -> set[str]:
    """Names of all that the layers of a package have."""
    save(made.workspace.connection.packages.image(made.id), path)
    found: set[str] = set()
    with layouts.reading(path, None) as image:
        for layer in image.manifest.layers:
            with (
                verified(image, layer) as packed,
                gzip.open(packed) as plain,
                tarfile.open(fileobj=plain, mode="r|") as archive,
            ):
                found |= set(archive.getnames())
    return found
