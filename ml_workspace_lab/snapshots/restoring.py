"""Putting files of a snapshot back into a folder, and never over changed ones without a word."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.snapshots.frames import LENGTH, exactly
from ml_workspace_lab.snapshots.layout import Readable, write
from ml_workspace_lab.snapshots.model import SnapshotFile
from ml_workspace_lab.snapshots.names import on_disk

CHUNK = 1 << 20
SHOWN = 10


class Restored(Struct, frozen=True):
    """Files that were written, and those that were there already as they should be."""

    folder: str
    written: int
    unchanged: int


def to_write(files: Sequence[SnapshotFile], folder: Path, *, overwrite: bool) -> list[SnapshotFile]:
    """Those of the files that are not in the folder as they should be. Raises Conflict where
    others are in their places, unless they may be overwritten; InvalidInput where one lies behind a
    link."""
    root = os.path.realpath(os.fsencode(folder))
    left, changed = [], []
    safe = {root}
    for file in files:
        place = root + b"/" + on_disk(file.path, file.raw)
        parent = place.rpartition(b"/")[0]
        if parent not in safe:
            if not os.path.realpath(parent).startswith(root + b"/"):
                raise InvalidInput(
                    f"{file.path} lies behind a link that leads out of {folder}.", field="folder"
                )
            safe.add(parent)
        if not os.path.lexists(place):
            left.append(file)
        elif not _is_same(file, place):
            left.append(file)
            changed.append(file.path)
    if changed and not overwrite:
        named = ", ".join(changed[:SHOWN]) + (", …" if len(changed) > SHOWN else "")
        raise Conflict(
            f"{len(changed)} files in {folder} are others than in the snapshot: {named}.",
            field="folder",
            hint="Restore into another folder, or say that they may be overwritten.",
        )
    return left


def _is_same(file: SnapshotFile, place: bytes) -> bool:
    status = os.lstat(place)
    if os.path.islink(place):  # noqa: PTH114 - bytes
        content = os.readlink(place)  # noqa: PTH115 - bytes
        return file.link and hashlib.sha256(content).hexdigest() == file.digest
    if file.link or not os.path.isfile(place) or status.st_size != file.size:  # noqa: PTH113 - bytes
        return False
    found = hashlib.sha256()
    with open(place, "rb") as stream:  # noqa: PTH123 - bytes
        while part := stream.read(CHUNK):
            found.update(part)
    is_executable = bool(status.st_mode & 0o100)
    return found.hexdigest() == file.digest and is_executable == file.executable


def put_back(files: Sequence[SnapshotFile], contents: Iterable[Readable], folder: Path) -> None:
    """Write the files, each whole before it takes the place of another. Raises Conflict where what
    came is not what the snapshot has."""
    root = os.fsencode(folder.absolute())
    links: list[tuple[bytes, bytes]] = []
    made: set[bytes] = set()
    for file, content in zip(files, contents, strict=True):
        place = root + b"/" + on_disk(file.path, file.raw)
        parent = place.rpartition(b"/")[0]
        if parent not in made:
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - bytes
            made.add(parent)
        if file.link:
            links.append((content.read(file.size), place))
        else:
            _write_whole(file, content, place)
    for target, place in links:
        aside = _aside(place)
        os.symlink(target, aside)  # noqa: PTH211 - bytes
        os.replace(aside, place)  # noqa: PTH105 - bytes


def _write_whole(file: SnapshotFile, content: Readable, place: bytes) -> None:
    aside = _aside(place)
    checked = _Hashed(content)
    try:
        write(checked, aside, executable=file.executable)
        if checked.digest() != file.digest:
            raise Conflict(
                f"What came of {file.path} is not what the snapshot has: its hash differs.",
                hint="Try again; `ml-workspace check` tells whether the stored content is damaged.",
            )
        os.replace(aside, place)  # noqa: PTH105 - bytes
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(aside)  # noqa: PTH108 - bytes
        raise


def _aside(place: bytes) -> bytes:
    return place.rpartition(b"/")[0] + b"/.restore-" + os.urandom(6).hex().encode()


class _Hashed:
    """A stream that knows the hash of what was read of it."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        part = self._stream.read(size)
        self._hash.update(part)
        return part

    def digest(self) -> str:
        return self._hash.hexdigest()


def streams(body: BinaryIO, sizes: Iterable[int]) -> Iterator["Section"]:
    """The contents of a framed body, each to be read before the next."""
    for size in sizes:
        if LENGTH.unpack(exactly(body, LENGTH.size))[0] != size:
            raise Conflict("The contents that came are not those of the snapshot.")
        section = Section(body, size)
        yield section
        while section.read(CHUNK):
            pass


class Section:
    """The next `size` bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int, /) -> bytes:
        wanted = min(size, self._left)
        part = exactly(self._stream, wanted)
        self._left -= len(part)
        return part
