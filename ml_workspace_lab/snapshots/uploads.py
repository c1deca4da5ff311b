"""Large contents of snapshots that come in parts."""

import hashlib
from typing import Annotated, BinaryIO

from msgspec import Meta

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.parts import PART, UploadState, count
from ml_workspace_lab.api.types import Digest, Nothing
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.snapshots.model import BlobInfo, BlobUpload


class BlobUploads(Service):
    """Contents that are sent in parts."""

    @operation("POST", "/blobs/{digest}/upload", action="blobs/write", audited=False)
    def begin(self, digest: Digest, body: BlobUpload) -> UploadState:
        """Begin to send a content, or go on with it. An upload that nobody ends is forgotten
        within a day of its last part."""
        if self.storage.blobs.renew(digest):
            return UploadState(PART, [])
        parts = count(body.size)
        here = self.storage.uploads.resume(*_named(digest), parts)
        return UploadState(PART, [part for part in range(1, parts + 1) if part not in here])

    @operation(
        "PUT",
        "/blobs/{digest}/upload/{part}",
        action="blobs/write",
        audited=False,
        body_limit=PART,
    )
    def put_part(
        self, digest: Digest, part: Annotated[int, Meta(ge=1)], content: BinaryIO
    ) -> Nothing:
        """Keep one part of an upload that was begun. Raises NotFound where none was. Others may
        send the same content: a part of what is here already is not needed."""
        if not self.storage.blobs.has(digest):
            self.storage.uploads.put_part(*_named(digest), part, content)
        return Nothing()

    @operation("POST", "/blobs/{digest}/upload/end", action="blobs/write", audited=False)
    def end(self, digest: Digest, body: BlobUpload) -> BlobInfo:
        """Keep what was sent; a repeat is safe. Raises InvalidInput where parts are missing, and
        where what came has another digest: it is forgotten then."""
        blobs, uploads = self.storage.blobs, self.storage.uploads
        if blobs.renew(digest):
            return BlobInfo(digest, blobs.size(digest))
        named = _named(digest)
        here = uploads.resume(*named, count(body.size))
        refusal: InvalidInput | None = None
        with uploads.whole(*named, here) as content:
            if content is None:
                raise NotFound("The upload has been ended before.", hint="Begin anew.")
            try:
                info = BlobInfo(*blobs.add(content, expected=digest))
            except InvalidInput as error:
                refusal = error
        uploads.drop(*named)
        if refusal is not None:
            raise refusal
        return info


def _named(digest: str) -> tuple[str, str]:
    """The id of an upload, the same each time that it is begun, and what it is of."""
    target = f"content {digest}"
    return hashlib.sha256(target.encode()).hexdigest()[:32], target
