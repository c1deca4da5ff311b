"""Keeping single files in the workspace."""

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from ml_workspace_lab.api import parts
from ml_workspace_lab.api.connection import Connection, LocalConnection
from ml_workspace_lab.snapshots.model import BlobInfo, BlobUpload, MissingBlobs
from ml_workspace_lab.storage.digests import digest_of


def put_file(connection: Connection, content: Path | bytes) -> tuple[str, int]:
    """Keep one content in the workspace; its digest and size."""
    with BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        digest = digest_of(file, size)
        if connection.snapshots.missing_blobs(MissingBlobs([digest])).digests:
            file.seek(0)
            send_content(connection, digest, file, size)
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
