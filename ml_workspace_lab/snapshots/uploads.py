"""Large contents of snapshots that come in parts."""

from typing import Annotated, BinaryIO

from msgspec import Meta

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.parts import PART, UploadState, count
from ml_workspace_lab.api.types import Digest, Nothing
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.snapshots.model import BlobInfo, BlobUpload


class BlobUploads(Service):
    """Contents that are sent in parts."""

    @operation("POST", "/blobs/{digest}/upload", action="blobs/write", audited=False)
    def begin(self, digest: Digest, body: BlobUpload) -> UploadState:
        """Begin to send a content, or go on with it. An upload that nobody ends is forgotten
        within a day of its last part."""
        if self.storage.blobs.renew(digest):
            return UploadState(PART, [])
        try:
            missing = self.storage.uploads.missing(_target(digest), count(body.size))
        except NotFound:
            if not self.storage.blobs.renew(digest):
                raise
            missing = []
        return UploadState(PART, missing)

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
        try:
            if not self.storage.blobs.has(digest):
                self.storage.uploads.put_part(_target(digest), part, content)
        except (NotFound, Conflict):
            if not self.storage.blobs.has(digest):
                raise
        return Nothing()

    @operation("POST", "/blobs/{digest}/upload/end", action="blobs/write", audited=False)
    def end(self, digest: Digest, body: BlobUpload) -> BlobInfo:
        """Keep what was sent; a repeat is safe. Raises InvalidInput where parts are missing, and
        where what came has another digest: it is forgotten then."""
        blobs = self.storage.blobs
        if blobs.renew(digest):
            return BlobInfo(digest, blobs.size(digest))
        try:
            return self.storage.uploads.end(
                _target(digest),
                count(body.size),
                lambda content: BlobInfo(*blobs.add(content, expected=digest)),
            )
        except (NotFound, Conflict, InvalidInput):
            if not blobs.renew(digest):
                raise
            return BlobInfo(digest, blobs.size(digest))  # Somebody else has ended it meanwhile.


def _target(digest: str) -> str:
    """What the upload of a content is of."""
    return f"content {digest}"
