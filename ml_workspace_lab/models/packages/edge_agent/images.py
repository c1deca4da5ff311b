"""The images that a device has: each layer is fetched once and unpacked once, whichever has it."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Event, Lock
from typing import BinaryIO

from ml_workspace_lab.errors import InvalidInput, Unavailable, shown
from ml_workspace_lab.models.packages import layouts
from ml_workspace_lab.models.packages.bases import PYTHON_LABEL
from ml_workspace_lab.models.packages.credentials import Credentials, kept
from ml_workspace_lab.models.packages.edge_agent import unpacking
from ml_workspace_lab.models.packages.images import (
    Config,
    Descriptor,
    Image,
    Manifest,
    decode,
    hex_of,
)
from ml_workspace_lab.models.packages.interpreters import platform_here
from ml_workspace_lab.models.packages.references import Reference
from ml_workspace_lab.models.packages.registries import Registry
from ml_workspace_lab.models.packages.verifying import verified

_PARTS = 1 << 18


@dataclass(frozen=True)
class Installed:
    """An image that is laid out: `home` is what it calls `/opt/ml-workspace`."""

    digest: str
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def manifest(self) -> Manifest:
        return decode((self.folder / "manifest.json").read_bytes(), Manifest)

    @property
    def config(self) -> Config:
        return decode((self.folder / "config.json").read_bytes(), Config)


class Images:
    """The images in a folder."""

    def __init__(self, folder: Path) -> None:
        self._images = folder / "images"
        self._layers = folder / "layers"
        self._parts = folder / "parts"
        self._lock = Lock()
        self.leaving = Event()
        """Set where nothing is to be fetched any more."""

    def find(self, digest: str) -> Installed | None:
        folder = self._images / digest.removeprefix("sha256:")
        return Installed(digest, folder) if folder.is_dir() else None

    def get(
        self,
        name: str,
        credentials: dict[str, Credentials],
        told: Callable[[str], None] = lambda _: None,
    ) -> Installed:
        """The image of that name, fetched and laid out as far as it isn't here: the path of an OCI
        layout, or HOST/REPOSITORY:TAG. What was fetched of a content before the line was cut is
        kept. Raises InvalidInput where it can't run here, NotFound, Denied, Unavailable,
        StorageFull, OSError."""
        with self._lock:
            if name.startswith("/"):
                return self._of_layout(Path(name), told)
            reference = Reference.parse(name, "image")
            if reference.version.startswith("sha256:") and (here := self.find(reference.version)):
                return here
            who = credentials.get(reference.host) or kept(reference.host)
            registry = Registry(reference, who, push=False)
            image = registry.pull(platform_here())
            return self._install(image, lambda layer: self._fetch(registry, layer), told)

    def _of_layout(self, path: Path, told: Callable[[str], None]) -> Installed:
        try:
            with layouts.reading(path, platform_here()) as image:
                return self._install(image, lambda layer: verified(image, layer), told)
        except InvalidInput as error:
            # It may be on its way here still.
            raise Unavailable(error.message, hint=error.hint) from None

    def keep_only(self, digests: Iterable[str]) -> None:
        """Remove all other images, the layers that none of these has, and parts of contents."""
        with self._lock:
            names = {digest.removeprefix("sha256:") for digest in digests}
            layers: set[str] = set()
            for folder in _folders(self._images):
                if folder.name in names:
                    found = Installed(folder.name, folder).manifest.layers
                    layers |= {hex_of(layer) for layer in found}
                else:
                    shutil.rmtree(folder, ignore_errors=True)
            for folder in _folders(self._layers):
                if folder.name not in layers:
                    shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(self._parts, ignore_errors=True)

    def _install(
        self,
        image: Image,
        opener: Callable[[Descriptor], BinaryIO],
        told: Callable[[str], None],
    ) -> Installed:
        digest = image.descriptor.digest
        if here := self.find(digest):
            return here
        _check(image.config)
        layers = []
        for number, layer in enumerate(image.manifest.layers, 1):
            folder = self._layers / hex_of(layer)
            if not folder.is_dir():
                told(f"layer {number} of {len(image.manifest.layers)}: {layer.size:,} bytes")
                with _whole(folder) as unfinished, opener(layer) as packed:
                    unpacking.unpack(packed, layer.media_type, unfinished)
            (self._parts / hex_of(layer)).unlink(missing_ok=True)
            layers.append(folder)
        found = Installed(digest, self._images / digest.removeprefix("sha256:"))
        with _whole(found.folder) as unfinished:
            unpacking.compose(layers, unfinished / "home")
            (unfinished / "manifest.json").write_bytes(image.manifest_content)
            (unfinished / "config.json").write_bytes(image.config_content)
        return found

    def _fetch(self, registry: Registry, layer: Descriptor) -> BinaryIO:
        """A layer's content, of which the part that is here is not asked for again."""
        self._parts.mkdir(parents=True, exist_ok=True)
        path = self._parts / hex_of(layer)
        have = path.stat().st_size if path.exists() else 0
        if have < layer.size:
            unpacking.check_room(path, layer.size - have)
            self._append(registry, layer, path, have)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != hex_of(layer):
            path.unlink()
            raise Unavailable(f"The content {shown(layer.digest)} came damaged.")
        return path.open("rb")

    def _append(self, registry: Registry, layer: Descriptor, path: Path, have: int) -> None:
        stream, begins = registry.blob(layer, have)
        with stream, path.open("r+b" if path.exists() else "wb") as file:
            file.truncate(begins)
            file.seek(begins)
            try:
                while part := stream.read(_PARTS):
                    begins += len(part)
                    if begins > layer.size:
                        break
                    file.write(part)
                    if self.leaving.is_set():
                        raise _cut(layer, begins, "the agent leaves")
            except (HTTPException, ConnectionError, TimeoutError) as error:
                raise _cut(layer, begins, error) from None
        if begins < layer.size:
            raise _cut(layer, begins, "the line was cut")


def _cut(layer: Descriptor, have: int, reason: object) -> Unavailable:
    return Unavailable(
        f"{have:,} of {layer.size:,} bytes of the content {layer.digest[:19]} are here: {reason}.",
        hint="It goes on from there.",
    )


def _check(config: Config) -> None:
    """Raise InvalidInput where the image is none that a device without containers can run."""
    if PYTHON_LABEL not in (config.config.labels or {}):
        raise InvalidInput(
            "The image is none that `ml-workspace model package` makes: without a container engine"
            " only those are run.",
            field="image",
        )
    here = platform_here()
    if config.architecture != here.architecture:
        raise InvalidInput(
            f"The image is for {config.architecture}, and this device is {here.architecture}.",
            field="image",
        )


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A place for what becomes that folder, which is there whole or not at all."""
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _folders(path: Path) -> list[Path]:
    return [one for one in path.iterdir() if one.is_dir()] if path.is_dir() else []
