"""Taking a snapshot through a connection: only contents that the workspace lacks travel."""

import hashlib
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import msgspec

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.errors import InvalidInput
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
    found = _files(captured)
    missing = connection.snapshots.missing_blobs(
        MissingBlobs(sorted({file.digest for file in found}))
    )
    wanted = set(missing.digests)
    files = []
    for file in found:
        if file.digest in wanted:
            try:
                sent = _put(connection, file, captured.sources[file.path])
            except OSError as error:
                captured.omitted.append(_unreadable(file.path, error))
                continue
            files.append(sent)
            wanted.discard(sent.digest)
        else:
            files.append(file)
    return connection.snapshots.create(CreateSnapshot(files, captured.omitted, captured.notes))


def _put(connection: Connection, file: SnapshotFile, source: Path | bytes) -> SnapshotFile:
    """Send the content; of a file that has changed since it was looked at, what it holds now."""
    try:
        with _open(source) as content:
            connection.snapshots.put_blob(file.digest, content)
        return file
    except InvalidInput as refusal:
        if refusal.field != "digest" or isinstance(source, bytes):
            raise
        digest, size = put_file(connection, source.read_bytes())
        return msgspec.structs.replace(file, digest=digest, size=size)


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
            captured.omitted.append(_unreadable(path, error))
            continue
        executable = isinstance(source, Path) and os.access(source, os.X_OK)
        files.append(SnapshotFile(path, digest, size, executable))
    return files


def _unreadable(path: str, error: OSError) -> OmittedFile:
    return OmittedFile(path, error.strerror or "can't be read")


def _digest(source: Path | bytes) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with _open(source) as stream:
        while part := stream.read(CHUNK):
            digest.update(part)
            size += len(part)
    return digest.hexdigest(), size


def _open(source: Path | bytes) -> BinaryIO:
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")
