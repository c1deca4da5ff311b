"""Images in registries, over the OCI distribution API: pulled, and pushed without what is there."""

import json
from collections.abc import Callable
from functools import partial
from http.client import PARTIAL_CONTENT
from io import BytesIO
from typing import BinaryIO, cast
from urllib.parse import urlencode, urljoin

from ml_workspace_lab.errors import InvalidInput, Unavailable
from ml_workspace_lab.models.packages.credentials import Credentials
from ml_workspace_lab.models.packages.images import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    DOCUMENT_LIMIT,
    INDEX,
    MANIFEST,
    Descriptor,
    Image,
    Index,
    Platform,
    check,
    decode,
    describe,
    hex_of,
    matching,
)
from ml_workspace_lab.models.packages.references import Reference
from ml_workspace_lab.models.packages.talk import Body, Talk
from ml_workspace_lab.models.packages.verifying import verified

_MANIFESTS = (MANIFEST, DOCKER_MANIFEST)
_INDEXES = (INDEX, DOCKER_INDEX)
_BYTES = {"Content-Type": "application/octet-stream"}


class Registry:
    """A repository of a registry."""

    def __init__(
        self, reference: Reference, credentials: Credentials | None, *, push: bool
    ) -> None:
        self._reference = reference
        actions = "pull,push" if push else "pull"
        scope = f"repository:{reference.repository}:{actions}"
        self._talk = Talk(reference.origin, credentials, scope)
        self._base = f"{reference.origin}/v2/{reference.repository}"

    def pull(self, platform: Platform) -> Image:
        """The image for a platform; its layers are read when they are opened. Raises NotFound,
        Denied, InvalidInput, Unavailable."""
        content, kind = self._manifest(self._reference.version)
        found = describe(kind, content)
        if self._reference.version.startswith("sha256:"):
            check(Descriptor(kind, self._reference.version, len(content)), content)
        while kind in _INDEXES:
            found = matching(decode(content, Index), platform)
            content, kind = self._manifest(found.digest)
            check(found, content)
        if kind not in _MANIFESTS:
            raise InvalidInput(f"{self._reference} is no image but {kind!r}.", field="base")
        return Image.read(found, content, self._document, self._open)

    def blob(self, descriptor: Descriptor, offset: int) -> tuple[BinaryIO, int]:
        """A content from that byte on, and from which byte it really is: 0 where the registry
        gives no parts. Raises NotFound, Denied, InvalidInput, Unavailable."""
        hex_of(descriptor)
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        answer = self._talk.ask("GET", f"{self._base}/blobs/{descriptor.digest}", headers)
        begins = answer.headers.get("Content-Range", "") if answer.status == PARTIAL_CONTENT else ""
        is_part = begins.startswith(f"bytes {offset}-")
        return cast(BinaryIO, answer), offset if is_part else 0

    def push(self, image: Image, told: Callable[[str], None] = lambda _: None) -> int:
        """Bring an image there under the reference's name; how many bytes of contents were sent,
        those left out that the registry had. Raises Denied, InvalidInput, Unavailable."""
        sent = 0
        for layer in image.manifest.layers:
            sent += self._put(layer, partial(verified, image, layer), told)
        sent += self._put(image.manifest.config, partial(BytesIO, image.config_content), told)
        body = Body(lambda: BytesIO(image.manifest_content), len(image.manifest_content))
        url = f"{self._base}/manifests/{self._reference.version}"
        with self._talk.ask("PUT", url, {"Content-Type": MANIFEST}, body) as answer:
            named = answer.headers.get("Docker-Content-Digest")
        if named not in (None, image.descriptor.digest):
            raise Unavailable(f"The registry took {named} for the image's manifest.")
        return sent

    def _put(
        self, content: Descriptor, opener: Callable[[], BinaryIO], told: Callable[[str], None]
    ) -> int:
        hex_of(content)
        if self._talk.has(f"{self._base}/blobs/{content.digest}"):
            return 0
        told(f"Sending {content.size:,} bytes")
        begin = f"{self._base}/blobs/uploads/"
        with self._talk.ask("POST", begin, _BYTES, Body.nothing()) as answer:
            url = urljoin(begin, answer.headers.get("Location", ""))
        url += ("&" if "?" in url else "?") + urlencode({"digest": content.digest})
        with self._talk.ask("PUT", url, _BYTES, Body(opener, content.size)):
            return content.size

    def _manifest(self, version: str) -> tuple[bytes, str]:
        accepted = ", ".join((*_MANIFESTS, *_INDEXES))
        url = f"{self._base}/manifests/{version}"
        with self._talk.ask("GET", url, {"Accept": accepted}) as answer:
            content = answer.read(DOCUMENT_LIMIT + 1)
            kind = answer.headers.get_content_type()
        if len(content) > DOCUMENT_LIMIT:
            raise InvalidInput(f"The manifest of {self._reference} is too large to be one.")
        if kind == "application/json":  # simple servers don't say more
            kind = _said(content)
        return content, kind

    def _document(self, descriptor: Descriptor) -> bytes:
        if descriptor.size > DOCUMENT_LIMIT:
            raise InvalidInput(f"The config of {self._reference} is too large to be one.")
        with self._open(descriptor) as stream:
            return stream.read(DOCUMENT_LIMIT + 1)

    def _open(self, descriptor: Descriptor) -> BinaryIO:
        return self.blob(descriptor, 0)[0]


def _said(content: bytes) -> str:
    try:
        return str(json.loads(content)["mediaType"])
    except (ValueError, KeyError, TypeError):
        return MANIFEST
