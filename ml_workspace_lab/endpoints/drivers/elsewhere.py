"""What is kept here of deployments that are served elsewhere, so that nothing of them is lost.

endpoints/NAME/elsewhere/HASH.json   a deployment in one place: written before anything of it is
                                     there, and removed when nothing is left
"""

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ml_workspace_lab.endpoints.folder import EndpointFolder
from ml_workspace_lab.storage.files import write_atomic

FOLDER = "elsewhere"


class Elsewhere(Struct, frozen=True):
    """A deployment in a place of a target, as the target was set up then; `key` opens it there.
    `package_id` is that of the image for `generation` while it is made, `image` its name once it
    was sent. Of a target that is told by jobs: `job` is the last of so many `jobs`, `applied` what
    of the deployment it was told."""

    endpoint: str
    deployment: str
    target: str
    kind: str
    settings: dict[str, Any]
    place: str
    key: str
    generation: int = 0
    package_id: str = ""
    image: str = ""
    job: str = ""
    jobs: int = 0
    applied: str = ""


class Records:
    """The records of one workspace's endpoints."""

    def __init__(self, root: Path) -> None:
        self._root = root / "endpoints"

    def find(self, endpoint: str, deployment: str, place: str) -> Elsewhere | None:
        try:
            content = self._path(endpoint, deployment, place).read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(content, type=Elsewhere)

    def find_or_begin(
        self,
        endpoint: str,
        deployment: str,
        *,
        target: str,
        kind: str,
        settings: dict[str, Any],
        place: str,
    ) -> Elsewhere:
        """The record of a deployment, from before anything of it is there: a new one has a key of
        its own."""
        if (found := self.find(endpoint, deployment, place)) is not None:
            return found
        key = secrets.token_urlsafe(32)
        record = Elsewhere(endpoint, deployment, target, kind, settings, place, key)
        self.put(record)
        return record

    def put(self, record: Elsewhere) -> None:
        path = self._path(record.endpoint, record.deployment, record.place)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, msgspec.json.encode(record))

    def forget(self, record: Elsewhere) -> None:
        self._path(record.endpoint, record.deployment, record.place).unlink(missing_ok=True)

    def of(self, folder: EndpointFolder) -> list[Elsewhere]:
        return list(_read(folder.path / FOLDER))

    def on(self, target: str) -> list[Elsewhere]:
        """Everything that there still is on a target, or may be."""
        folders = self._root.glob(f"*/{FOLDER}")
        return [one for folder in sorted(folders) for one in _read(folder) if one.target == target]

    def _path(self, endpoint: str, deployment: str, place: str) -> Path:
        named = hashlib.sha256(f"{deployment}\0{place}".encode()).hexdigest()[:32]
        return self._root / endpoint / FOLDER / f"{named}.json"


def _read(folder: Path) -> Iterator[Elsewhere]:
    for path in sorted(folder.glob("*.json")):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=Elsewhere)
        except FileNotFoundError:
            continue
