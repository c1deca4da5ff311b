"""Contents of a captured folder on their way into the workspace."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import NamedTuple

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.client.contents import send_content
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.snapshots.capture import Capture
from ml_workspace_lab.snapshots.frames import Direct, Parts, frame
from ml_workspace_lab.snapshots.model import BlobInfo, MissingBlobs, OmittedFile, SnapshotFile
from ml_workspace_lab.snapshots.reading import TRIES, WHOLE, Reading
from ml_workspace_lab.snapshots.walking import Found
from ml_workspace_lab.storage.digests import digest_of

BATCH = 8 * 1024 * 1024
"""Bytes of small contents that one request carries."""


class _Sent(NamedTuple):
    """A content that was sent: of a file as it was read, or, where there is no reading, of a link
    or what is given in a file's place."""

    path: str
    reading: Reading | None


class Sender:
    """Puts the contents of files, and knows which files the snapshot has by that."""

    def __init__(self, connection: Connection, captured: Capture, *, direct: bool) -> None:
        self._connection = connection
        self._snapshots = connection.snapshots
        self._captured = captured
        self._direct = direct
        self._files: dict[str, SnapshotFile] = {}
        self.has_read = False
        for found in captured.files.values():
            if found.digest is not None:
                self._keep(found, BlobInfo(found.digest, found.status.st_size))

    def files(self) -> list[SnapshotFile]:
        return sorted(self._files.values(), key=lambda file: file.path)

    def send_unknown(self) -> None:
        """Put what was never read, or has changed since."""
        unknown = [found for found in self._captured.files.values() if found.digest is None]
        self.has_read = any(found.target is None for found in unknown)
        self._send(unknown, self._captured.given)

    def send_missing(self, missing: set[str]) -> None:
        """Put those contents, read anew, that the workspace lacks."""
        paths = {path for path, file in self._files.items() if file.digest in missing}
        files, given = self._captured.files, self._captured.given
        self._send(
            [files[path] for path in files if path in paths],
            {path: given[path] for path in given if path in paths},
        )

    def _send(self, files: Iterable[Found], given: Mapping[str, bytes]) -> None:
        files = list(files)
        for found in files:
            self._files.pop(found.path, None)
        sent: list[_Sent] = []
        if files or given:
            put = self._put_here if self._direct else self._put_there
            kept = put(files, given, sent)
            # Of a file that was read more than once, the last.
            for one, info in {one.path: (one, info) for one, info in zip(sent, kept)}.values():  # noqa: B905
                self._take(one, info)

    def _put_here(
        self, files: list[Found], given: Mapping[str, bytes], sent: list[_Sent]
    ) -> list[BlobInfo]:
        """To a workspace in this process, which hashes what it takes: nobody else need do so."""
        body = Direct(lambda: self._contents(files, given, sent))
        return self._snapshots.put_many(body).items

    def _put_there(
        self, files: list[Found], given: Mapping[str, bytes], sent: list[_Sent]
    ) -> list[BlobInfo]:
        """Over HTTP: what the server has already does not travel, the rest in few requests."""
        found: list[BlobInfo] = []
        batch: dict[str, bytes] = {}
        size = 0
        for content in self._contents(files, given, sent):
            reading = sent[-1].reading
            if reading is not None and reading.found.status.st_size > BATCH:
                found.append(self._put_large(reading))
                continue
            content = content if isinstance(content, bytes) else b"".join(content)
            digest = hashlib.sha256(content).hexdigest()
            found.append(BlobInfo(digest, len(content)))
            batch[digest] = content
            size += len(content)
            if size >= BATCH:
                self._put_batch(batch)
                batch, size = {}, 0
        self._put_batch(batch)
        return found

    def _put_batch(self, batch: Mapping[str, bytes]) -> None:
        if not batch:
            return
        missing = self._snapshots.missing_blobs(MissingBlobs(list(batch))).digests
        if missing:
            framed = b"".join(frame(batch[digest]) for digest in missing)
            self._snapshots.put_many(BytesIO(framed))

    def _put_large(self, reading: Reading) -> BlobInfo:
        """A large file is never held whole: it is read for its digest, and once more, in parts,
        where the workspace lacks it. Where it was another one then, the reading isn't steady."""
        try:
            with reading.opened(self._captured.root) as file:
                size = os.fstat(file.fileno()).st_size
                digest = digest_of(file, size)
                file.seek(0)
                return send_content(self._connection, digest, file, size)
        except OSError as error:
            reading.failure = error.strerror or "can't be read"
        except InvalidInput:
            reading.after = None
        return BlobInfo("", 0)

    def _contents(
        self, files: Iterable[Found], given: Mapping[str, bytes], sent: list[_Sent]
    ) -> Iterator[bytes | Parts]:
        """Contents in the order of `sent`, to which each is added when it is handed out."""
        for path, content in given.items():
            sent.append(_Sent(path, None))
            yield content
        for found in files:
            if found.target is not None:
                sent.append(_Sent(found.path, None))
                yield os.fsencode(found.target)
            else:
                yield from self._readings(found, sent)

    def _readings(self, found: Found, sent: list[_Sent]) -> Iterator[bytes | Parts]:
        """The content of a file, again while it changes as it is read."""
        for attempt in range(TRIES):
            reading = Reading(found)
            try:
                if found.status.st_size > WHOLE:
                    sent.append(_Sent(found.path, reading))
                    yield reading.parts_of_open(self._captured.root)
                else:
                    content = reading.whole(self._captured.root)
                    if reading.is_steady or attempt == TRIES - 1:
                        sent.append(_Sent(found.path, reading))
                        yield content
            except OSError as error:
                self._omit(found, error.strerror or "can't be read")
                return
            if reading.is_steady or reading.failure:
                return

    def _take(self, sent: _Sent, info: BlobInfo) -> None:
        """A file is in with the content that was kept."""
        if sent.path in self._captured.given:
            self._files[sent.path] = SnapshotFile(sent.path, info.digest, info.size)
            return
        found, reading = self._captured.files[sent.path], sent.reading
        if reading is not None and not reading.is_steady:
            if not reading.has_grown:
                self._omit(found, reading.failure or "was changed each time that it was read")
                return
            self._captured.notes.append(
                f"{found.path} was written to while it was read: it is kept as far as it had come."
            )
        if reading is not None and (state := reading.state(info.digest)):
            found.folder.files[found.name.rpartition("/")[2]] = state
        self._keep(found, info)

    def _keep(self, found: Found, info: BlobInfo) -> None:
        self._files[found.path] = SnapshotFile(
            found.path,
            info.digest,
            info.size,
            executable=found.executable,
            link=found.target is not None,
            raw=found.raw,
        )

    def _omit(self, found: Found, reason: str) -> None:
        size = found.status.st_size
        self._captured.omitted.append(OmittedFile(found.path, reason, size))
