"""Taking a snapshot through a connection: what hasn't changed since the last is not read again, and
only contents that the workspace lacks travel."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from ml_workspace_lab.api.connection import Connection, LocalConnection
from ml_workspace_lab.client.sending import Sender
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.snapshots import stat_cache
from ml_workspace_lab.snapshots.capture import Capture, capture
from ml_workspace_lab.snapshots.model import CreateSnapshot, MissingBlobs, SnapshotInfo, manifest
from ml_workspace_lab.snapshots.preview import advice
from ml_workspace_lab.snapshots.stat_cache import StatCache

_TRIES = 3


def take_snapshot(
    connection: Connection,
    folder: Path,
    overrides: Mapping[str, bytes] | None = None,
    notes: tuple[str, ...] = (),
) -> SnapshotInfo:
    """A snapshot of `folder`, with `overrides` in place of files or beside them."""
    root = folder.absolute()
    cache = stat_cache.load(root)
    captured = capture(root, overrides, cache)
    captured.notes.extend(notes)
    sender = Sender(connection, captured, direct=isinstance(connection, LocalConnection))
    sender.send_unknown()
    if note := advice(captured.omitted):
        captured.notes.append(note)
    if sender.has_read or captured.folders != cache.folders:
        stat_cache.save(root, StatCache(root=str(root), folders=captured.folders))
    taken = _create(connection, captured, sender)
    # An equal tree may have been taken before, with other words about what was beside it.
    return msgspec.structs.replace(taken, omitted=captured.omitted, notes=captured.notes)


def _create(connection: Connection, captured: Capture, sender: Sender) -> SnapshotInfo:
    if not sender.has_read and (again := _again(connection, captured, sender)):
        return again
    for _ in range(_TRIES):
        try:
            return connection.snapshots.create(
                CreateSnapshot(sender.files(), captured.omitted, captured.notes)
            )
        except InvalidInput as refusal:
            # What is known of old may have gone from the workspace meanwhile, or is another's.
            digests = sorted({file.digest for file in sender.files()})
            missing = connection.snapshots.missing_blobs(MissingBlobs(digests)).digests
            if refusal.field != "files" or not missing:
                raise
            sender.send_missing(set(missing))
    return connection.snapshots.create(
        CreateSnapshot(sender.files(), captured.omitted, captured.notes)
    )


def _again(connection: Connection, captured: Capture, sender: Sender) -> SnapshotInfo | None:
    """The snapshot that was taken of the same files before, if it is here."""
    files = sender.files()
    try:
        known = connection.snapshots.renew(manifest(files)[0])
    except NotFound:
        return None
    return SnapshotInfo(
        known.snapshot_id, known.created, known.size, files, captured.omitted, captured.notes
    )
