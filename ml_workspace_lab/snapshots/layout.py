"""Laying the files of a snapshot out in a folder."""

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ml_workspace_lab.snapshots.model import SnapshotFile
from ml_workspace_lab.snapshots.names import on_disk
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.storage.files import disk_errors

CHUNK = 1 << 20


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def lay_out(blobs: Blobs, files: Sequence[SnapshotFile], folder: Path) -> None:
    """Put the files of a snapshot into a folder, to be changed at will; what is there under their
    names goes. They are read in the order in which they lie on the disk.

    Raises Conflict where a stored content is damaged, NotFound where it is missing, StorageFull.
    """
    root = os.fsencode(folder)
    wanted: dict[str, list[SnapshotFile]] = defaultdict(list)
    for file in files:
        wanted[file.digest].append(file)
    with disk_errors():
        for parent in sorted({_parent(file) for file in files}):
            os.makedirs(os.path.join(root, parent), exist_ok=True)  # noqa: PTH103, PTH118 - bytes
        links = []
        with blobs.opener(list(wanted)) as open_:
            for digest in blobs.in_order(list(wanted)):
                with open_(digest) as content:
                    for file in wanted[digest]:
                        content.seek(0)
                        place = root + b"/" + on_disk(file.path, file.raw)
                        if file.link:
                            links.append((content.read(), place))
                        else:
                            write(content, place, executable=file.executable)
        # Last, so that nothing is written through one.
        for target, place in links:
            with suppress(FileNotFoundError):
                os.unlink(place)  # noqa: PTH108 - bytes
            os.symlink(target, place)  # noqa: PTH211 - bytes


def write(content: Readable, place: bytes, *, executable: bool) -> None:
    """Write a new file, in the place of one that is there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    mode = 0o700 if executable else 0o600
    try:
        descriptor = os.open(place, flags, mode)
    except FileExistsError:
        os.unlink(place)  # noqa: PTH108 - bytes
        descriptor = os.open(place, flags, mode)
    try:
        while part := content.read(CHUNK):
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def _parent(file: SnapshotFile) -> bytes:
    return on_disk(file.path, file.raw).rpartition(b"/")[0]
