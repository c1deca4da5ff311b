"""One scoring process by itself, without a workspace: quick to start, and free in its variables."""

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ml_workspace_lab.endpoints.folder import (
    Deployment,
    EndpointFolder,
    Rules,
    Upstream,
    as_written,
)
from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.endpoints.telemetry.model import Export, Sampling
from tests import http
from tests.http import Answer
from tests.waiting import eventually

KEY = "the key of a caller"
OWN_KEY = "the key of the workspace"


@dataclass(frozen=True)
class Process:
    """A process that scores."""

    root: str
    model: Path
    log: Path
    process: "subprocess.Popen[bytes]"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = KEY,
    ) -> Answer:
        """One request, by default with a key; headers that are empty are not sent."""
        bearer = {"Authorization": f"Bearer {key}"} if key else {}
        return http.request(method, self.root + path, body, {**bearer, **(headers or {})})

    def post(self, body: bytes | str, path: str = "/score", **headers: str) -> Answer:
        """A body called JSON; `_` in a header's name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, body, {"Content-Type": "application/json", **named})


@contextmanager
def scoring(
    folder: Path,
    model: Mapping[str, bytes] | Path,
    script: str | None = None,
    name: str = "a model",
    settings: RequestSettings | None = None,
    sampling: Sampling | None = None,
    export: Export | None = None,
    upstream: Upstream | None = None,
    **variables: str,
) -> Iterator[Process]:
    """A process for a model (its files, or its folder) with a script or without, or one that sends
    requests on to `upstream`; its endpoint has these rules."""
    generation = EndpointFolder(folder).generation(1)
    generation.path.mkdir(parents=True)
    if isinstance(model, Path):
        generation.model.symlink_to(model, target_is_directory=True)
    else:
        for path, content in model.items():
            (generation.model / path).parent.mkdir(parents=True, exist_ok=True)
            (generation.model / path).write_bytes(content)
    if script is not None:
        generation.script.write_text(script, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    deployment = Deployment(
        "an-endpoint", name, 3, port, script is not None, sys.executable,
        request_settings=settings or RequestSettings(), is_relayed=upstream is not None,
    )  # fmt: skip
    if upstream is not None:
        generation.upstream.write_bytes(msgspec.json.encode(upstream))
    generation.deployment.write_bytes(msgspec.json.encode(deployment))
    hashed = [hashlib.sha256(key.encode()).hexdigest() for key in (KEY, "another", OWN_KEY)]
    sampled = {} if sampling is None else {"default": as_written(sampling)}
    generation.endpoint.write_keys(Rules(*hashed, sampling=sampled, export=as_written(export)))
    log = folder / "log.txt"
    words = [sys.executable, "-m", "ml_workspace_lab.endpoints.scoring", str(generation.path)]
    with log.open("wb") as printed:
        process = subprocess.Popen(
            words, env={**os.environ, **variables}, stdout=printed, stderr=printed
        )
    try:
        eventually(
            lambda: generation.ready.exists() or process.poll() is not None, 60, "it is ready"
        )
        assert process.poll() is None, log.read_text()
        yield Process(f"http://127.0.0.1:{port}", generation.model, log, process)
    finally:
        process.kill()
        process.wait()
