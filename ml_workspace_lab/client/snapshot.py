"""Taking a snapshot through a connection: only contents that the workspace lacks travel."""

import hashlib
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.snapshots.capture import Capture, capture
from ml_workspace_lab.snapshots.model import (
    CreateSnapshot,
    MissingBlobs,
    OmittedFile,
    SnapshotFile,
    SnapshotInfo,
)

CHUNK = 1 << 20


def take_snapshot(
    connection: Connection,
    folder: Path,
    overrides: Mapping[str, bytes] | None = None,
    notes: tuple[str, ...] = (),
) -> SnapshotInfo:
    """A snapshot of `folder`, with `overrides` in place of files or beside them."""
    captured = capture(folder, overrides)
    captured.notes.extend(notes)
    files = _files(captured)
    missing = connection.snapshots.missing_blobs(
        MissingBlobs(sorted({file.digest for file in files}))
    )
    wanted = set(missing.digests)
    for file in files:
        if file.digest in wanted:
            with _open(captured.sources[file.path]) as content:
                connection.snapshots.put_blob(file.digest, content)
            wanted.discard(file.digest)
    return connection.snapshots.create(CreateSnapshot(files, captured.omitted, captured.notes))


def put_file(connection: Connection, content: Path | bytes) -> tuple[str, int]:
    """Keep one content in the workspace; its digest and size."""
    digest, size = _digest(content)
    if connection.snapshots.missing_blobs(MissingBlobs([digest])).digests:
        with _open(content) as stream:
            connection.snapshots.put_blob(digest, stream)
    return digest, size


def _files(captured: Capture) -> list[SnapshotFile]:
    """The files with their digests; one that can't be read any more is left out and named."""
    files = []
    for path, source in captured.sources.items():
        try:
            digest, size = _digest(source)
        except OSError as error:
            captured.omitted.append(OmittedFile(path, error.strerror or "can't be read"))
            continue
        executable = isinstance(source, Path) and os.access(source, os.X_OK)
        files.append(SnapshotFile(path, digest, size, executable))
    return files


def _digest(source: Path | bytes) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with _open(source) as stream:
        while part := stream.read(CHUNK):
            digest.update(part)
            size += len(part)
    return digest.hexdigest(), size


def _open(source: Path | bytes) -> BinaryIO:
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")
