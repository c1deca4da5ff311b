"""Content by its SHA-256: written once, never changed, the same bytes kept once."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, Unavailable
from ml_workspace_lab.storage.files import disk_errors, sync_folder

if TYPE_CHECKING:
    import hashlib

CHUNK = 1 << 20


@dataclass(frozen=True)
class Held:
    """A content that was just put, and a copy of it for as long as nothing refers to it."""

    digest: str
    size: int
    target: Path
    copy: Path

    def require(self) -> None:
        """Inside the transaction that refers to it: put it back where it was removed meanwhile."""
        if not self.target.exists():
            try:
                self.copy.replace(self.target)
            except FileNotFoundError:
                raise Unavailable("The content was removed meanwhile: send it again.") from None


class Blobs:
    """A folder of contents, each in a file that its digest names."""

    def __init__(self, root: Path) -> None:
        self.root = root

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
                yield Held(digest, size, self.path(digest), temporary)
            finally:
                temporary.unlink(missing_ok=True)

    def open(self, digest: str) -> BinaryIO:
        """The content, to be read. Raises NotFound where it isn't kept here."""
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"No content with SHA-256 {digest} is kept here.") from None

    def read(self, digest: str) -> bytes:
        """All of the content. Raises Conflict where it is no longer what was stored."""
        with self.open(digest) as stream:
            content = stream.read()
        if _sha256(content).hexdigest() != digest:
            raise Conflict(
                f"The stored content {digest} has changed on disk.",
                hint="Restore it from a backup; it is not served as it is.",
            )
        return content

    def has(self, digest: str) -> bool:
        return self.path(digest).is_file()

    def renew(self, digest: str) -> bool:
        """Whether the content is kept here; if so, it counts as put just now, so that what removes
        old ones leaves it."""
        with suppress(FileNotFoundError):
            os.utime(self.path(digest))
            return True
        return False

    def size(self, digest: str) -> int:
        return self.path(digest).stat().st_size

    def path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest[2:]

    def _keep(self, temporary: Path, digest: str) -> None:
        target = self.path(digest)
        if self.renew(digest):
            return
        target.parent.mkdir(mode=0o700, exist_ok=True)
        temporary.replace(target)
        sync_folder(target.parent)


def _copy(stream: BinaryIO, target: Path) -> tuple[str, int]:
    digest = _sha256()
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


def _sha256(content: bytes = b"") -> "hashlib._Hash":
    import hashlib  # OpenSSL, which a client that only logs need not load

    return hashlib.sha256(content)
