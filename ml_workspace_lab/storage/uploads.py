"""Files on their way in, in parts: each part is kept whole or not at all, until all are there.

An upload is a folder. Each part is a file that its number and SHA-256 name. What may be sent is
signed with a secret of that upload alone, so that a part needs no other right than its address.
"""

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import msgspec
from msgspec import Struct

from ml_workspace_lab.errors import Conflict, Denied, InvalidInput, NotFound, TooLarge, Unavailable
from ml_workspace_lab.storage.files import FileLock, disk_errors, is_held, write_atomic
from ml_workspace_lab.storage.freeing import Freed, is_older, remove
from ml_workspace_lab.storage.joined import Joined

CHUNK = 1 << 20
MOST_PARTS = 10_000
LINK_SECONDS = 6 * 3600
KEPT_SECONDS = 22 * 3600
"""How long an upload is kept that nobody sends parts of; its addresses are dead by then. It is gone
within a day: somebody looks every hour."""

T = TypeVar("T")

_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ABOUT = "about.json"
_LOCK = "lock"
_DONE = "done.json"


class About(Struct, frozen=True):
    """What an upload is for: the name of what it becomes, and the number of its parts."""

    target: str
    parts: int
    secret: str


class Link(Struct, frozen=True):
    """What sends one part: valid `until` (s), for this part of this upload alone."""

    upload_id: str
    part: int
    until: int
    signature: str


class Uploads:
    """The uploads of a workspace, each of at most `limit` bytes. Who may begin and end one is for
    the caller to check."""

    def __init__(self, root: Path, limit: int = 16 * 1024**3) -> None:
        self._root = root / "uploads"
        self._limit = limit

    def begin(self, target: str, parts: int) -> list[Link]:
        """A new upload of something in so many parts. Raises InvalidInput, and StorageFull."""
        _require_few(parts)
        about = About(target, parts, secrets.token_hex(32))
        upload_id = secrets.token_hex(16)
        folder = self._root / upload_id
        with disk_errors():
            folder.mkdir(mode=0o700, parents=True)
        write_atomic(folder / _ABOUT, msgspec.json.encode(about), durable=True)
        until = int(time.time()) + LINK_SECONDS
        return [
            Link(upload_id, part, until, _signature(about, part, until))
            for part in range(1, parts + 1)
        ]

    def put(self, link: Link, stream: BinaryIO) -> str:
        """Keep a part, in the place of an earlier one of this number; its SHA-256.

        Raises Denied where the link is not one that `begin` made or is no longer valid, Conflict
        where the upload is being ended, TooLarge and StorageFull; the part is not kept then.
        """
        folder, about = self._find(link.upload_id)
        expected = _signature(about, link.part, link.until)
        if not hmac.compare_digest(expected.encode(), link.signature.encode()):
            raise Denied("The address of the part is not one that this server gave out.")
        if time.time() > link.until:
            raise Denied("The address of the part is no longer valid.", hint="Begin anew.")
        return self._keep(folder, link.part, stream)

    def missing(self, target: str, parts: int) -> list[int]:
        """The parts that have yet to come of the upload that a target has of its own, which begins
        where it isn't there. They come by `put_part`. Raises InvalidInput, and StorageFull."""
        _require_few(parts)
        folder = self._root / _own_id(target)
        if not (folder / _ABOUT).exists():
            about = About(target, parts, secrets.token_hex(32))
            with disk_errors():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(folder / _ABOUT, msgspec.json.encode(about))
        here = self._here(target, parts)
        with disk_errors():
            os.utime(folder)
        return [part for part in range(1, parts + 1) if part not in here]

    def put_part(self, target: str, part: int, stream: BinaryIO) -> str:
        """As `put`, for the target's own upload and a caller who has the right to it."""
        folder, about = self._find(_own_id(target), target)
        if not 1 <= part <= about.parts:
            raise InvalidInput(f"part: must be between 1 and {about.parts}.", field="part")
        return self._keep(folder, part, stream)

    def end(self, target: str, parts: int, keep: Callable[[BinaryIO], T]) -> T:
        """What `keep` makes of all parts of the target's own upload, which is forgotten then, also
        where `keep` raises InvalidInput. Raises as `whole` does."""
        upload_id, here = _own_id(target), self._here(target, parts)
        refusal: InvalidInput | None = None
        with self.whole(upload_id, target, here) as content:
            assert content is not None, "it is forgotten once it has ended"
            try:
                kept = keep(content)
            except InvalidInput as error:
                refusal = error
        self.drop(upload_id, target)
        if refusal is not None:
            raise refusal
        return kept

    def _here(self, target: str, parts: int) -> dict[int, str]:
        """The SHA-256 of each part of the target's own upload that has come."""
        folder, about = self._find(_own_id(target), target)
        if about.parts != parts:
            raise InvalidInput("size: the upload was begun with another one.", field="size")
        try:
            return {_number(file): file.name[6:] for file in _parts(folder)}
        except FileNotFoundError:
            raise _no_upload() from None

    def _keep(self, folder: Path, part: int, stream: BinaryIO) -> str:
        _require_open(folder)
        temporary = folder / f".{secrets.token_hex(8)}"
        with disk_errors():
            try:
                digest, size = _copy(stream, temporary)
                others = [file for file in _parts(folder) if _number(file) != part]
                if size + sum(file.stat().st_size for file in others) > self._limit:
                    raise self._too_large()
                _require_open(folder)
                kept = folder / f"{part:05}-{digest}"
                temporary.replace(kept)
                for earlier in folder.glob(f"{part:05}-*"):
                    if earlier != kept:
                        earlier.unlink(missing_ok=True)
            except FileNotFoundError:  # It was ended meanwhile.
                raise _no_upload() from None
            finally:
                temporary.unlink(missing_ok=True)
        return digest

    @contextmanager
    def whole(
        self, upload_id: str, target: str, digests: Mapping[int, str]
    ) -> Iterator[BinaryIO | None]:
        """All parts in order, for a block that keeps them; the upload is over when it ends without
        an error, and is as it was otherwise. None where the same has been done before.

        Raises NotFound for an unknown upload, InvalidInput where parts are missing or others than
        those that were sent, Unavailable while another call ends it.
        """
        folder, about = self._find(upload_id, target)
        lock = FileLock(folder / _LOCK)
        if not lock.acquire():
            raise Unavailable("The upload is being ended by another call.")
        try:
            done = folder / _DONE
            told = msgspec.json.encode(sorted(digests.items()))
            if done.exists():
                if done.read_bytes() != told:
                    raise Conflict("The upload has been ended with other parts.")
                yield None
                return
            files = self._files(folder, about, digests)
            with Joined(files) as stream:
                yield cast(BinaryIO, stream)
            write_atomic(done, told, durable=True)
            for file in _parts(folder):
                file.unlink(missing_ok=True)
        finally:
            lock.release()

    def drop(self, upload_id: str, target: str) -> None:
        """Forget an upload and its parts."""
        folder, _ = self._find(upload_id, target)
        with suppress(OSError):  # Somebody still sends a part: what is left goes within a day.
            remove(folder, Freed())

    def sweep(self, before: int | None = None) -> Freed:
        """Remove uploads that nobody has sent parts of since the moment `before` (ms), by default
        for most of a day; what disk space that freed."""
        moment = int((time.time() - KEPT_SECONDS) * 1000) if before is None else before
        freed = Freed()
        folders = list(self._root.iterdir()) if self._root.is_dir() else []
        for folder in folders:
            if is_older(folder, moment) and not is_held(folder / _LOCK):
                remove(folder, freed)
        return freed

    def _find(self, upload_id: str, target: str | None = None) -> tuple[Path, About]:
        folder = self._root / upload_id
        if _ID.fullmatch(upload_id):
            try:
                about = msgspec.json.decode((folder / _ABOUT).read_bytes(), type=About)
            except FileNotFoundError:
                pass
            else:
                if target in (None, about.target):
                    return folder, about
        raise _no_upload()

    def _files(self, folder: Path, about: About, digests: Mapping[int, str]) -> list[Path]:
        wanted = range(1, about.parts + 1)
        if sorted(digests) != list(wanted):
            raise InvalidInput(f"parts: must be those from 1 to {about.parts}.", field="parts")
        files = []
        for part in wanted:
            file = folder / f"{part:05}-{digests[part]}"
            if not _DIGEST.fullmatch(digests[part]) or not file.exists():
                raise InvalidInput(
                    f"parts: part {part} is not here as it is said to be.",
                    field="parts",
                    hint="Send it again, and give the ETag of the answer.",
                )
            files.append(file)
        if sum(file.stat().st_size for file in files) > self._limit:
            raise self._too_large()
        return files

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The file is over the limit of {self._limit / 1024**3:g} GiB.")


def _own_id(target: str) -> str:
    """The id of a target's own upload, the same each time that it is begun."""
    return hashlib.sha256(target.encode()).hexdigest()[:32]


def _no_upload() -> NotFound:
    return NotFound(
        "There is no such upload of this file.",
        field="upload_id",
        hint="It may have been ended, or given up for too long: begin anew.",
    )


def _signature(about: About, part: int, until: int) -> str:
    message = f"{part}:{until}".encode()
    return hmac.new(bytes.fromhex(about.secret), message, "sha256").hexdigest()


def _require_few(parts: int) -> None:
    if not 1 <= parts <= MOST_PARTS:
        raise InvalidInput(
            f"num_parts: {parts} is not between 1 and {MOST_PARTS:,}.",
            field="num_parts",
            hint="Send larger parts.",
        )


def _require_open(folder: Path) -> None:
    if (folder / _DONE).exists():
        raise Conflict("The upload has been ended.", hint="Begin anew.")


def _parts(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.name[:5].isdecimal()]


def _number(file: Path) -> int:
    return int(file.name[:5])


def _copy(stream: BinaryIO, target: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        return digest.hexdigest(), file.tell()
