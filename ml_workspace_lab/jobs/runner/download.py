"""The snapshot of a run, brought from its workspace over HTTP."""

import hashlib
import http.client
import os
from pathlib import Path
from typing import BinaryIO

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.jobs.runner.workdir import prepare
from ml_workspace_lab.snapshots.model import SnapshotFile, SnapshotInfo
from ml_workspace_lab.snapshots.names import on_disk
from ml_workspace_lab.storage.files import disk_errors

PART = 1024 * 1024
UNFINISHED = ".unfinished"


def download(
    connection: Connection, run_id: str, attempt: int, snapshot: SnapshotInfo, work: Path
) -> None:
    """Lay the files of a snapshot out in `work`. What is there already is not asked for again.
    Raises Unavailable where the line was cut: a repeat goes on from there."""
    prepare(work)
    files = snapshot.files
    first = next((n for n, file in enumerate(files) if not _is_there(work, file)), None)
    if first is None:
        return
    content = connection.attempts.contents(run_id, attempt, first)
    with content.stream as stream, disk_errors():
        for file in files[first:]:
            _lay_out(stream, file, _place(work, file))


def _lay_out(stream: BinaryIO, file: SnapshotFile, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_name(UNFINISHED)
    digest, left = hashlib.sha256(), file.size
    with unfinished.open("wb") as copy:
        while left:
            part = _read(stream, min(left, PART))
            digest.update(part)
            copy.write(part)
            left -= len(part)
    if digest.hexdigest() != file.digest:
        unfinished.unlink()
        raise Unavailable(f"{file.path} was damaged on its way.", field="snapshot")
    if file.link:
        target = unfinished.read_bytes()
        unfinished.unlink()
        os.symlink(target, os.fsencode(unfinished))  # noqa: PTH211 - bytes
    else:
        unfinished.chmod(0o700 if file.executable else 0o600)
    unfinished.replace(place)


def _read(stream: BinaryIO, size: int) -> bytes:
    try:
        part = stream.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"The line was cut: {error}.") from error
    if not part:
        raise Unavailable("The line was cut.")
    return part


def _place(work: Path, file: SnapshotFile) -> Path:
    return work / os.fsdecode(on_disk(file.path, file.raw))


def _is_there(work: Path, file: SnapshotFile) -> bool:
    """Whether it is there whole: it got its name only then, and no code has run yet."""
    return os.path.lexists(_place(work, file))
