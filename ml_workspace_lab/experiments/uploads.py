"""Large artifacts that come in parts: one that was cut off goes on with the part that was cut."""

from typing import Annotated, BinaryIO

from msgspec import Meta, Struct

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.parts import MOST, PART, UploadState, count
from ml_workspace_lab.api.types import Digest, Nothing, RelativePath, RunId
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.model import ArtifactInfo
from ml_workspace_lab.storage.paths import relative


class ArtifactUpload(Struct, frozen=True, forbid_unknown_fields=True):
    """What an artifact is to be: its path, its SHA-256, its size in bytes."""

    path: RelativePath
    digest: Digest
    size: Annotated[int, Meta(ge=1, le=MOST)]


class ArtifactUploads(Service):
    """Artifacts that are sent in parts."""

    @operation("POST", "/runs/{run_id}/uploads", action="experiments/runs/write", audited=False)
    def begin(self, run_id: RunId, body: ArtifactUpload) -> UploadState:
        """Begin to send an artifact, or go on with it. An upload that nobody ends is forgotten
        within a day of its last part."""
        path = relative(body.path)
        self.services.runs.get(run_id)
        if self._there(run_id, path, body.digest) is not None:
            return UploadState(PART, [])
        target = _target(run_id, path, body.digest)
        try:
            return UploadState(PART, self.storage.uploads.missing(target, count(body.size)))
        except NotFound:
            if self._there(run_id, path, body.digest) is None:
                raise
            return UploadState(PART, [])

    @operation(
        "PUT",
        "/runs/{run_id}/uploads/{digest}/{part}/{path}",
        action="experiments/runs/write",
        audited=False,
        body_limit=PART,
    )
    def put_part(
        self,
        run_id: RunId,
        digest: Digest,
        part: Annotated[int, Meta(ge=1)],
        path: RelativePath,
        content: BinaryIO,
    ) -> Nothing:
        """Keep one part of an upload that was begun. Raises NotFound where none was. Others may
        send the same artifact: a part of what is here already is not needed."""
        path = relative(path)
        try:
            self.storage.uploads.put_part(_target(run_id, path, digest), part, content)
        except (NotFound, Conflict):
            if self._there(run_id, path, digest) is None:
                raise
        return Nothing()

    @operation("POST", "/runs/{run_id}/uploads/end", action="experiments/runs/write")
    def end(self, run_id: RunId, body: ArtifactUpload) -> ArtifactInfo:
        """Keep what was sent as an artifact; a repeat is safe. Raises InvalidInput where parts are
        missing, and where what came has another digest: it is forgotten then."""
        path = relative(body.path)
        if (there := self._there(run_id, path, body.digest)) is not None:
            return there
        try:
            return self.storage.uploads.end(
                _target(run_id, path, body.digest),
                count(body.size),
                lambda content: self._keep(run_id, body, path, content),
            )
        except (NotFound, Conflict, InvalidInput):
            if (there := self._there(run_id, path, body.digest)) is None:
                raise
            return there  # Somebody else has ended it meanwhile.

    def _keep(
        self, run_id: str, body: ArtifactUpload, path: str, content: BinaryIO
    ) -> ArtifactInfo:
        with self.storage.blobs.hold(content, body.digest) as held:
            return self.services.artifacts.keep(run_id, path, held)

    def _there(self, run_id: str, path: str, digest: str) -> ArtifactInfo | None:
        try:
            found = self.services.artifacts.find(run_id, path)
        except NotFound:
            return None
        return found if found.digest == digest else None


def _target(run_id: str, path: str, digest: str) -> str:
    """What the upload of an artifact is of."""
    return f"run {run_id} {digest} {path}"
