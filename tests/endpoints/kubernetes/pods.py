"""Pods without containers: the processes of images, unpacked and run by this interpreter."""

import base64
import gzip
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.models.packages.images import Image, hex_of
from ml_workspace_lab.models.packages.interpreters import platform_here
from ml_workspace_lab.models.packages.places import HOME
from ml_workspace_lab.models.packages.references import Reference
from ml_workspace_lab.models.packages.registries import Registry
from ml_workspace_lab.models.packages.verifying import verified
from tests import http
from tests.models.packages.registry import free_port

KEYS = "/var/run/ml-workspace-lab"


class NotPulled(Exception):
    """There is no such image."""


class Pod:
    """One pod of a Deployment, as its node has it."""

    def __init__(self, name: str, template: dict[str, Any], folder: Path) -> None:
        self.name = name
        self.template = template
        self.folder = folder
        self.port = free_port()
        self.restarts = 0
        self.is_ready = False
        self.is_leaving = False
        self.not_before = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    @property
    def container(self) -> dict[str, Any]:
        found: dict[str, Any] = self.template["spec"]["containers"][0]
        return found

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def start(self, images: Path, secret: Mapping[str, str]) -> None:
        """Raises NotPulled."""
        root, environment = self._unpack(images)
        for name, value in secret.items():
            (self.folder / name).write_bytes(base64.b64decode(value))
        given = {one["name"]: one.get("value", "") for one in self.container["env"]}
        given = {name: value.replace("$$", "$") for name, value in given.items()}
        environment |= {n: v.replace(KEYS, str(self.folder)) for n, v in given.items()}
        environment = {name: v.replace(HOME, str(root)) for name, v in environment.items()}
        environment |= {"ML_WORKSPACE_SCORING_PORT": str(self.port), "PATH": os.environ["PATH"]}
        # Not the environment's: a pod has the packages of its image alone.
        python = getattr(sys, "_base_executable", sys.executable)
        words = [python, "-m", "ml_workspace_lab.models.packages.contained"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                words, env=environment, cwd=self.folder, stdout=log, stderr=log
            )

    def look(self) -> int | None:
        """How its process has ended; None while it goes on."""
        assert self.process is not None
        ended = self.process.poll()
        self.is_ready = ended is None and not self.is_leaving and self._answers()
        return ended

    def ask_to_end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def _answers(self) -> bool:
        address = f"http://127.0.0.1:{self.port}/healthz"
        try:
            return http.request("GET", address, None, {}).status == 200
        except OSError:
            return False

    def _unpack(self, images: Path) -> tuple[Path, dict[str, str]]:
        """A folder with what lies in the image's own, and its variables."""
        try:
            image = Registry(
                Reference.parse(self.container["image"], "image"), None, push=False
            ).pull(platform_here())
        except WorkspaceError as error:
            raise NotPulled(str(error)) from None
        root = images / image.descriptor.digest.removeprefix("sha256:")
        root.mkdir(parents=True, exist_ok=True)
        for number in range(len(image.manifest.layers)):
            for path in (_layer(image, number, images) / HOME.lstrip("/")).glob("*"):
                if not (root / path.name).exists():
                    (root / path.name).symlink_to(path)
        lines = image.config.config.env or []
        return root, dict(line.split("=", 1) for line in lines)


def _layer(image: Image, number: int, images: Path) -> Path:
    """Each layer is unpacked once."""
    layer = image.manifest.layers[number]
    folder = images / hex_of(layer)
    if not folder.exists():
        with (
            verified(image, layer) as packed,
            gzip.open(packed) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            archive.extractall(folder, filter="tar")
        folder.mkdir(exist_ok=True)
    return folder
