"""Keeping single files in the workspace."""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.snapshots.model import MissingBlobs

CHUNK = 1 << 20


def put_file(connection: Connection, content: Path | bytes) -> tuple[str, int]:
    """Keep one content in the workspace; its digest and size."""
    digest, size = _digest(content)
    if connection.snapshots.missing_blobs(MissingBlobs([digest])).digests:
        with _open(content) as stream:
            connection.snapshots.put_blob(digest, stream)
    return digest, size


def _digest(source: Path | bytes) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with _open(source) as stream:
        while part := stream.read(CHUNK):
            digest.update(part)
            size += len(part)
    return digest.hexdigest(), size


def _open(source: Path | bytes) -> BinaryIO:
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")
