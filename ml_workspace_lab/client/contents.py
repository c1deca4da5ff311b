"""Keeping single files in the workspace."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from ml_workspace_lab.api import parts
from ml_workspace_lab.api.connection import Connection, LocalConnection
from ml_workspace_lab.snapshots.model import BlobInfo, BlobUpload, MissingBlobs

CHUNK = 1 << 20


def put_file(connection: Connection, content: Path | bytes) -> tuple[str, int]:
    """Keep one content in the workspace; its digest and size."""
    digest, size = _digest(content)
    if connection.snapshots.missing_blobs(MissingBlobs([digest])).digests:
        with _open(content) as stream:
            send_content(connection, digest, stream, size)
    return digest, size


def send_content(connection: Connection, digest: str, file: BinaryIO, size: int) -> BlobInfo:
    """Keep the next `size` bytes of a file; a large content goes over the network in parts. Raises
    InvalidInput where they have another digest."""
    if isinstance(connection, LocalConnection) or size <= parts.PART:
        return connection.snapshots.put_blob(digest, file)
    uploads, wanted = connection.blob_uploads, BlobUpload(size)
    return parts.send(
        file,
        size,
        begin=lambda: uploads.begin(digest, wanted),
        put=lambda part, content: uploads.put_part(digest, part, content=content),
        end=lambda: uploads.end(digest, wanted),
    )


def _digest(source: Path | bytes) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with _open(source) as stream:
        while part := stream.read(CHUNK):
            digest.update(part)
            size += len(part)
    return digest.hexdigest(), size


def _open(source: Path | bytes) -> BinaryIO:
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")
