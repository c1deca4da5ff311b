"""Layers of an image: archives in which the same files are the same bytes, whoever writes them."""

import gzip
import hashlib
import shutil
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from ml_workspace_lab.models.packages.images import LAYER, Descriptor

LEVEL = 3
_FOLDER_MODE = 0o755


@dataclass(frozen=True)
class Entry:
    """A file of a layer: its path without a leading `/`, its size in bytes and how to read it."""

    name: str
    size: int
    open: Callable[[], BinaryIO]
    mode: int = 0o644


@dataclass(frozen=True)
class Layer:
    """A layer that was written; `diff_id` is the digest of what it unpacks to."""

    descriptor: Descriptor
    diff_id: str
    made_of: str


def of_bytes(name: str, content: bytes) -> Entry:
    return Entry(name, len(content), lambda: BytesIO(content))


def of_path(name: str, path: Path) -> Entry:
    """A file of this machine, or what a link leads to; its mode says only if it is a program."""
    status = path.stat()
    mode = 0o755 if status.st_mode & 0o100 else 0o644
    return Entry(name, status.st_size, lambda: path.open("rb"), mode)


def write_layer(
    entries: Iterable[Entry],
    target: BinaryIO,
    made_of: str,
    folders: dict[str, int] | None = None,
) -> Layer:
    """Write the entries, in the order of their names, with the folders that they lie in and the
    `folders` (with their modes) that shall be there in any case. Nothing of an owner, of times or
    of who packed them is kept. Raises OSError."""
    packed = _Hashed(target)
    with gzip.GzipFile("", "wb", LEVEL, cast(BinaryIO, packed), mtime=0) as compressed:
        plain = _Hashed(cast(BinaryIO, compressed))
        with tarfile.open(
            fileobj=cast(BinaryIO, plain), mode="w|", format=tarfile.PAX_FORMAT
        ) as archive:
            _add(archive, {entry.name: entry for entry in entries}, dict(folders or {}))
    descriptor = Descriptor(LAYER, f"sha256:{packed.digest}", packed.size)
    return Layer(descriptor, f"sha256:{plain.digest}", made_of)


def _add(archive: tarfile.TarFile, entries: dict[str, Entry], folders: dict[str, int]) -> None:
    for name in entries:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            folders.setdefault("/".join(parts[:depth]), _FOLDER_MODE)
    # By their parts, so that a folder comes before what lies in it.
    for name in sorted({*entries, *folders}, key=lambda name: name.split("/")):
        info = tarfile.TarInfo(name)
        if name in folders:
            info.type, info.mode = tarfile.DIRTYPE, folders[name]
            archive.addfile(info)
            continue
        entry = entries[name]
        info.size, info.mode = entry.size, entry.mode
        with entry.open() as content:
            archive.addfile(info, content)


class _Hashed:
    """Passes on what is written, and knows its digest and size."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> int:
        self._hash.update(content)
        self.size += len(content)
        self._target.write(content)
        return len(content)

    def flush(self) -> None:
        self._target.flush()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def copy(source: BinaryIO, target: BinaryIO) -> None:
    with source:
        shutil.copyfileobj(source, target, 1 << 20)
