"""Content by its SHA-256: written once, never changed, the same bytes kept once.

Most lie in a file of their own; those that come in great numbers lie together in packs.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput, NotFound, Unavailable
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.storage.digests import sha256
from ml_workspace_lab.storage.files import disk_errors, sync_folder

if TYPE_CHECKING:  # imported where they are used: a client that only logs needs none of them
    from ml_workspace_lab.storage.content import ContentStream
    from ml_workspace_lab.storage.lists import Lists, Whole
    from ml_workspace_lab.storage.packing import Packing
    from ml_workspace_lab.storage.packs import Packs

CHUNK = 1 << 20
BLOBS, PACKS = "blobs", "packs"
"""Folders: of a workspace's contents, and in it that of packs."""


class Held(Struct, frozen=True):
    """A content that was just put, and a copy of it for as long as nothing refers to it."""

    digest: str
    size: int
    blobs: "Blobs"
    copy: Path

    def require(self) -> None:
        """Inside the transaction that refers to it: put it back where it was removed meanwhile."""
        if not self.blobs.has(self.digest):
            try:
                self.copy.replace(self.blobs.path(self.digest))
            except FileNotFoundError:
                raise Unavailable("The content was removed meanwhile: send it again.") from None


class Blobs:
    """A folder of contents; those of a workspace, whose database is given, may lie in packs."""

    def __init__(self, root: Path, database: Database | None = None) -> None:
        self.root = root
        self._database = database

    @cached_property
    def packs(self) -> "Packs | None":
        """None where the folder is not a workspace's."""
        from ml_workspace_lab.storage.packs import Packs

        return Packs(self.root / PACKS, self._database) if self._database is not None else None

    def add(self, stream: BinaryIO, expected: str | None = None) -> tuple[str, int]:
        """Keep what `stream` holds; its digest and its size in bytes.

        Raises InvalidInput where it does not have the `expected` digest, StorageFull where there
        is no room; nothing is kept then.
        """
        with self.hold(stream, expected) as held:
            return held.digest, held.size

    @contextmanager
    def hold(self, stream: BinaryIO, expected: str | None = None) -> Iterator[Held]:
        """Keep what `stream` holds, as `add` does, for a block that will refer to it."""
        with disk_errors():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = self.root / f".{os.urandom(8).hex()}"
            try:
                digest, size = _copy(stream, temporary)
                if expected is not None and digest != expected:
                    raise InvalidInput(
                        f"The content's SHA-256 is {digest}, not {expected}.",
                        field="digest",
                        hint="It may have changed or been cut off on its way: send it again.",
                    )
                self._keep(temporary, digest)
                yield Held(digest, size, self, temporary)
            finally:
                temporary.unlink(missing_ok=True)

    @cached_property
    def lists(self) -> "Lists":
        from ml_workspace_lab.storage.lists import LISTS, Lists

        return Lists(self.root / LISTS)

    def packing(self) -> "AbstractContextManager[Packing]":
        """Put many contents at once: all of them are kept at the end of the block."""
        from ml_workspace_lab.storage.packing import packing

        assert self.packs is not None, "only a workspace has packs"
        assert self._database is not None
        return packing(self, self.packs, self._database)

    def put_back(self, stream: BinaryIO, digest: str) -> None:
        """Let the content of that digest be what `stream` holds, whatever is there. Raises
        InvalidInput where that is another content."""
        with self.hold(stream, digest) as held, disk_errors():
            if held.copy.exists():  # what is here was taken for whole
                self.path(digest).parent.mkdir(mode=0o700, exist_ok=True)
                held.copy.replace(self.path(digest))
                sync_folder(self.path(digest).parent)

    def open(self, digest: str) -> BinaryIO:
        """The content, to be read. Raises NotFound where it isn't kept here; a read raises Conflict
        where it is no longer what was stored."""
        return cast("BinaryIO", self._stream(digest))

    @contextmanager
    def opener(self, digests: Sequence[str]) -> Iterator[Callable[[str], BinaryIO]]:
        """What opens each of these contents, of which there are many, as `open` does."""
        if self.packs is None:
            yield self.open
            return
        reader = self.packs.reader(digests)
        try:
            yield lambda digest: cast("BinaryIO", reader.open(digest) or self.open(digest))
        finally:
            reader.close()

    def in_order(self, digests: Sequence[str]) -> list[str]:
        """The contents as they lie on the disk."""
        packed = self.packs.reader(digests).in_order() if self.packs else []
        return [*packed, *sorted(set(digests) - set(packed))]

    def read(self, digest: str) -> bytes:
        """All of the content. Raises Conflict where it is no longer what was stored."""
        with self._stream(digest) as stream:
            return stream.read()

    def has(self, digest: str) -> bool:
        return bool(self.kept([digest]))

    def kept(self, digests: Sequence[str]) -> set[str]:
        """Those of the contents that are kept here."""
        packed = set(self.packs.places(digests)) if self.packs else set()
        return packed | {
            digest
            for digest in digests
            if digest not in packed and any(os.path.isfile(name) for name in self._names(digest))  # noqa: PTH113 - thousands
        }

    def paths(self, digest: str) -> list[Path]:
        """The files that are there for this content alone: its own, that of a list's parts."""
        return [Path(name) for name in self._names(digest) if os.path.exists(name)]  # noqa: PTH110

    def renew(self, digest: str) -> bool:
        """Whether the content is kept here; if so, it counts as put just now, so that what removes
        old ones leaves it."""
        return bool(self.renew_all([digest]))

    def renew_all(self, digests: Sequence[str]) -> set[str]:
        """Those of the contents that are kept here, which count as put just now."""
        files = self.renew_files(digests)
        rest = [digest for digest in digests if digest not in files]
        return files | self.packs.renew(rest) if self.packs and rest else files

    def renew_files(self, digests: Iterable[str]) -> set[str]:
        """The same for those that have files of their own."""
        found = set()
        for digest in digests:
            for name in self._names(digest):
                with suppress(FileNotFoundError):
                    os.utime(name)
                    found.add(digest)
        return found

    def size(self, digest: str) -> int:
        """Bytes of a content that is here."""
        with self._stream(digest) as stream:
            return stream.size

    def path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest[2:]

    def _names(self, digest: str) -> tuple[str, str]:
        return f"{self.root}/{digest[:2]}/{digest[2:]}", f"{self.root}/lists/{digest}"

    def _list(self, digest: str) -> "Whole | None":
        from ml_workspace_lab.storage.content import damaged
        from ml_workspace_lab.storage.lists import Whole

        parts = self.lists.parts(digest)
        if parts is None:
            return None
        raw = bytearray()
        with self.opener(parts) as open_:
            for part in parts:
                with open_(part) as stream:
                    raw += stream.read()
        if sha256(raw).hexdigest() != digest:
            raise damaged(digest)
        return Whole(raw)

    def _stream(self, digest: str) -> "ContentStream | Whole":
        from ml_workspace_lab.storage.content import open_content

        # Its own file first: a damaged content of a pack is put back as one.
        try:
            return open_content(self.path(digest), digest)
        except FileNotFoundError:
            packed = self.packs.open(digest) if self.packs else None
        stream = packed if packed is not None else self._list(digest)
        if stream is None:
            raise NotFound(f"No content with SHA-256 {digest} is kept here.")
        return stream

    def _keep(self, temporary: Path, digest: str) -> None:
        target = self.path(digest)
        if self.renew(digest):
            return
        target.parent.mkdir(mode=0o700, exist_ok=True)
        temporary.replace(target)
        sync_folder(target.parent)


def _copy(stream: BinaryIO, target: Path) -> tuple[str, int]:
    digest = sha256()
    size = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        while part := stream.read(CHUNK):
            digest.update(part)
            size += len(part)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size
