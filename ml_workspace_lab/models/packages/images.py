"""What a container image consists of, in the words of the OCI image specification."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.errors import InvalidInput, shown

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

_DOCKER = "application/vnd.docker."
DOCKER_MANIFEST = f"{_DOCKER}distribution.manifest.v2+json"
DOCKER_INDEX = f"{_DOCKER}distribution.manifest.list.v2+json"
LAYERS = {
    LAYER: LAYER,
    "application/vnd.oci.image.layer.v1.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    f"{_DOCKER}image.rootfs.diff.tar.gzip": LAYER,
    f"{_DOCKER}image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}
"""Kinds of layers that may lie below ours, each by its name in OCI: the bytes are the same."""

DOCUMENT_LIMIT = 4 * 1024 * 1024
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Platform(Struct, frozen=True, omit_defaults=True):
    """What machine an image is for, in Go's words."""

    architecture: str
    os: str
    variant: str = ""


class Descriptor(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A content by its digest; `size` in bytes."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] = field(default_factory=dict)


class Manifest(Struct, frozen=True, rename="camel"):
    """An image: its config and its layers, the lowest first."""

    schema_version: int
    config: Descriptor
    layers: list[Descriptor]
    media_type: str = MANIFEST
    annotations: dict[str, str] = field(default_factory=dict)


class Index(Struct, frozen=True, rename="camel"):
    """Several manifests, mostly one for each platform."""

    schema_version: int
    manifests: list[Descriptor]
    media_type: str = INDEX


class Process(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """How a container of the image starts."""

    user: str = ""
    exposed_ports: dict[str, dict[str, str]] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    stop_signal: str = ""


class RootFs(Struct, frozen=True):
    type: str
    diff_ids: list[str]


class Step(Struct, frozen=True, omit_defaults=True):
    """Where a layer comes from, in words."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


class Config(Struct, frozen=True, omit_defaults=True):
    architecture: str
    os: str
    rootfs: RootFs
    config: Process = Process()
    created: str = ""
    history: list[Step] = field(default_factory=list)
    variant: str = ""


Opener = Callable[[Descriptor], BinaryIO]
T = TypeVar("T", bound=Struct)


@dataclass(frozen=True)
class Image:
    """A manifest with its config, the very bytes of both, and what opens a layer."""

    manifest: Manifest
    manifest_content: bytes
    config: Config
    config_content: bytes
    open: Opener

    @classmethod
    def make(
        cls,
        config: Config,
        layers: list[Descriptor],
        annotations: dict[str, str],
        opener: Opener,
    ) -> "Image":
        """An image of those layers; the same arguments make the same bytes."""
        config_content = encode(config)
        manifest = Manifest(2, describe(CONFIG, config_content), layers, annotations=annotations)
        return cls(manifest, encode(manifest), config, config_content, opener)

    @classmethod
    def read(
        cls,
        descriptor: Descriptor,
        content: bytes,
        document: Callable[[Descriptor], bytes],
        opener: Opener,
    ) -> "Image":
        """The image of a manifest; `document` gives the bytes of its config. Raises InvalidInput
        where they are damaged or no image's."""
        check(descriptor, content)
        manifest = decode(content, Manifest)
        if any(layer.media_type not in LAYERS for layer in manifest.layers):
            kinds = ", ".join(sorted({x.media_type for x in manifest.layers} - set(LAYERS)))
            raise InvalidInput(f"The image has layers of a kind that is not known: {kinds}.")
        config_content = document(manifest.config)
        check(manifest.config, config_content)
        config = decode(config_content, Config)
        if len(config.rootfs.diff_ids) != len(manifest.layers):
            raise InvalidInput("The image's config speaks of other layers than its manifest.")
        return cls(manifest, content, config, config_content, opener)

    @property
    def descriptor(self) -> Descriptor:
        platform = Platform(self.config.architecture, self.config.os, self.config.variant)
        return msgspec.structs.replace(
            describe(self.manifest.media_type, self.manifest_content), platform=platform
        )


def encode(document: Struct) -> bytes:
    """As JSON, of which there is one form only."""
    return msgspec.json.encode(document, order="deterministic")


def decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        what = kind.__name__.lower()
        raise InvalidInput(f"The image's {what} can't be read: {error}.") from None


def describe(media_type: str, content: bytes) -> Descriptor:
    return Descriptor(media_type, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))


def check(descriptor: Descriptor, content: bytes) -> None:
    """Raise InvalidInput where the content is not the one that is described."""
    found = describe(descriptor.media_type, content)
    if (found.digest, found.size) != (descriptor.digest, descriptor.size):
        raise InvalidInput(f"The content {shown(descriptor.digest)} of the image is damaged.")


def hex_of(descriptor: Descriptor) -> str:
    """The digest's own digits. Raises InvalidInput on any but SHA-256, which may be a path."""
    if not _DIGEST.fullmatch(descriptor.digest):
        raise InvalidInput(f"The image names a content by {shown(descriptor.digest)}.")
    return descriptor.digest.removeprefix("sha256:")


def matching(index: Index, wanted: Platform | None) -> Descriptor:
    """The manifest for a platform, the only one where none is named. Raises InvalidInput where
    there is none."""
    only = index.manifests[0] if len(index.manifests) == 1 else None
    if wanted is None and only is not None:
        return only
    for one in index.manifests:
        found = one.platform
        if found and wanted and _is_same(found, wanted):
            return one
    if only is not None and only.platform is None:
        return only
    there = ", ".join(_words(one.platform) for one in index.manifests) or "none"
    raise InvalidInput(f"There is no image for {_words(wanted)}; there is {there}.", field="base")


def _is_same(found: Platform, wanted: Platform) -> bool:
    return (found.os, found.architecture) == (wanted.os, wanted.architecture)


def _words(platform: Platform | None) -> str:
    return f"{platform.os}/{platform.architecture}" if platform else "any machine"
