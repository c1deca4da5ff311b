"""A deployment as the program on the cluster is asked to have it."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.compute.ray.settings import RaySettings
from ml_workspace_lab.endpoints.drivers.names import name_of
from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.models.packages.places import KEY_VARIABLE, SETTINGS_VARIABLE

PROGRAM = [Path(__file__).with_name(name) for name in ("program.py", "replica.py")]
"""What is sent to the cluster; here only its words are imported."""
MORE_REQUESTS = 100
"""So many beyond those that may wait a replica is handed: it is the one to refuse them."""
HEALTH_SECONDS = 2
FINISH_SECONDS = 45
"""How long a replica that is to leave may take for the requests that it has. One that waits for
room takes as long, too, and Serve waits for a minute in all."""
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - whoever asks needs the key; nodes are reached from here


@dataclass(frozen=True)
class Sent:
    """An image in a cluster: the SHA-256 of its archive, and the packages that are its parts."""

    digest: str
    uris: list[str]

    @classmethod
    def read(cls, name: str) -> "Sent":
        digest, *uris = name.split()
        return cls(digest, uris)

    def __str__(self) -> str:
        return " ".join([self.digest, *self.uris])


@dataclass(frozen=True)
class Asked:
    """A deployment of an endpoint of a workspace, as Ray Serve is to have it."""

    workspace: str
    endpoint: str
    deployment: str
    generation: int
    image: Sent
    key: str
    variables: Mapping[str, str] = field(default_factory=dict)
    requests: RequestSettings = field(default_factory=RequestSettings)
    resources: Resources = field(default_factory=Resources)
    scaling: WorkerScaling = field(default_factory=WorkerScaling)

    @property
    def name(self) -> str:
        """Each generation is an application of its own: one that can't start leaves the one before
        it as it is."""
        return f"{prefix_of(self.workspace, self.endpoint, self.deployment)}{self.generation}"

    @property
    def route(self) -> str:
        return f"/{self.name}"

    def told(self, settings: RaySettings) -> dict[str, Any]:
        """What the program is told."""
        told = {
            "name": self.name,
            "route": self.route,
            "digest": self.image.digest,
            "parts": len(self.image.uris),
            "uris": self.image.uris,
            "variables": {
                **self.variables,
                "SERVICE_NAME": self.endpoint,
                KEY_VARIABLE: self.key,
                SETTINGS_VARIABLE: msgspec.json.encode(self.requests).decode(),
            },
            "http_options": {"host": ALL_ADDRESSES, "port": settings.endpoints.port},
            "options": {
                "ray_actor_options": self._actor(settings),
                "max_ongoing_requests": self.requests.max_queued_requests + MORE_REQUESTS,
                "health_check_period_s": HEALTH_SECONDS,
                "graceful_shutdown_timeout_s": FINISH_SECONDS,
            },
        }
        version = hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()[:16]
        return {**told, "version": version, "scale": self._scale()}

    def _actor(self, settings: RaySettings) -> dict[str, Any]:
        wanted = self.resources
        found: dict[str, Any] = {"num_cpus": wanted.cores, "num_gpus": wanted.gpus}
        if wanted.memory_bytes is not None:
            found["memory"] = wanted.memory_bytes
        if settings.resources:
            found["resources"] = settings.resources
        return found

    def _scale(self) -> dict[str, Any]:
        wanted = self.scaling
        if wanted.least == wanted.most:
            return {"num_replicas": wanted.least}
        bounds = {"min_replicas": wanted.least, "max_replicas": wanted.most}
        # A replica scores one request at a time: so many are under way as it is busy, on average.
        return {"autoscaling_config": {**bounds, "target_ongoing_requests": wanted.target}}


def prefix_of(workspace: str, endpoint: str, deployment: str) -> str:
    """What the names of a deployment's applications begin with, and those of no other one."""
    return f"{name_of(workspace, endpoint, deployment)}-g"


def digest_of(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()


def packed(told: Mapping[str, Any] | None = None) -> bytes:
    """The working directory of a job: the program, and what it is told."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        files = {path.name: path.read_bytes() for path in PROGRAM}
        if told is not None:
            files["asked.json"] = msgspec.json.encode(told, order="sorted")
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return content.getvalue()
