"""Sending an artifact: a large one over the network in parts, so that a cut costs one of them."""

from typing import TYPE_CHECKING, BinaryIO

from ml_workspace_lab.api import parts
from ml_workspace_lab.api.connection import Connection, LocalConnection
from ml_workspace_lab.storage.digests import digest_of

if TYPE_CHECKING:
    from ml_workspace_lab.experiments.model import ArtifactInfo

LARGE = 16 * 1024 * 1024
"""Bytes from which an artifact is sent in parts: it is read once more, for its digest."""


def send_artifact(connection: Connection, run_id: str, path: str, file: BinaryIO) -> "ArtifactInfo":
    """Keep what an open file still holds as an artifact. Raises Unavailable where the workspace
    can't be reached; the same call later goes on where this one came to."""
    start = file.tell()
    size = file.seek(0, 2) - start
    file.seek(start)
    if isinstance(connection, LocalConnection) or size < LARGE:
        return connection.artifacts.put(run_id, path, file)
    return _send(connection, run_id, path, file, size)


def _send(
    connection: Connection, run_id: str, path: str, file: BinaryIO, size: int
) -> "ArtifactInfo":
    from ml_workspace_lab.experiments.uploads import ArtifactUpload

    start = file.tell()
    wanted = ArtifactUpload(path, digest_of(file, size), size)
    file.seek(start)
    uploads = connection.artifact_uploads
    return parts.send(
        file,
        size,
        begin=lambda: uploads.begin(run_id, wanted),
        put=lambda part, content: uploads.put_part(
            run_id, wanted.digest, part, path, content=content
        ),
        end=lambda: uploads.end(run_id, wanted),
    )
