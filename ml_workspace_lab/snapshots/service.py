"""Snapshots: what a run started from, kept by content and never changed."""

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from typing import BinaryIO, cast

import msgspec

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, Digest, Limit, RelativePath
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.snapshots import store
from ml_workspace_lab.snapshots.checks import checked
from ml_workspace_lab.snapshots.frames import LENGTH, contents_of
from ml_workspace_lab.snapshots.framing import FramedFiles
from ml_workspace_lab.snapshots.model import (
    BlobInfo,
    ChosenFiles,
    CreateSnapshot,
    KeptContents,
    MissingBlobs,
    SnapshotFile,
    SnapshotInfo,
    SnapshotList,
    SnapshotSummary,
    SnapshotUses,
    manifest,
)
from ml_workspace_lab.storage.blobs import Held
from ml_workspace_lab.storage.lists import SHORT, HeldList, hold_list
from ml_workspace_lab.storage.paths import relative

GIB = 1024**3
FILES_LIMIT = 64 * 1024 * 1024


class Snapshots(Service):
    """Content-addressed records of code and notebooks."""

    @operation(
        "POST", "/blobs/missing", action="blobs/write", audited=False, body_limit=FILES_LIMIT
    )
    def missing_blobs(self, body: MissingBlobs) -> MissingBlobs:
        """Which of these contents the workspace has not got yet."""
        here = self.storage.blobs.renew_all(body.digests)
        return MissingBlobs([digest for digest in body.digests if digest not in here])

    @operation("PUT", "/blobs/{digest}", action="blobs/write", audited=False, body_limit=16 * GIB)
    def put_blob(self, digest: Digest, content: BinaryIO) -> BlobInfo:
        """Keep `content`; raises InvalidInput where its SHA-256 is another."""
        return BlobInfo(*self.storage.blobs.add(content, expected=digest))

    @operation("POST", "/blobs", action="blobs/write", audited=False, body_limit=FILES_LIMIT)
    def put_many(self, content: BinaryIO) -> KeptContents:
        """Keep many contents: before each in the body stand 8 bytes with its length, big endian.

        Raises InvalidInput where the body is cut off; none of them is kept then.
        """
        items = []
        with self.storage.blobs.packing() as packing:
            for one in contents_of(content):
                if isinstance(one, bytes):
                    items.append(BlobInfo(packing.add(one), len(one)))
                else:
                    items.append(BlobInfo(*packing.add_parts(one)))
        return KeptContents(items)

    @operation("POST", "/snapshots", action="snapshots/write", body_limit=FILES_LIMIT)
    def create(self, body: CreateSnapshot) -> SnapshotInfo:
        """A snapshot of files whose contents have been put before. Equal trees are one snapshot."""
        files = checked(self.storage.blobs, body.files)
        notices = {"omitted": msgspec.to_builtins(body.omitted), "notes": body.notes}
        digest, raw = manifest(files)
        with (
            self._hold(raw, digest) as held,
            self.storage.database.write() as transaction,
        ):
            held.require()
            self._require(files)
            store.add(transaction, digest, sum(file.size for file in files), notices)
        row = store.row(self.storage.database, digest)
        return _info(row["created"], digest, files, row["notices_json"])

    @operation("GET", "/snapshots", action="snapshots/read")
    def list(self, after: str | None = None, limit: Limit = 100) -> SnapshotList:
        """Snapshots, the newest first; `after` is the `next` of the page before."""
        items = store.page(self.storage.database, after, limit + 1)
        if len(items) <= limit:
            return SnapshotList(items)
        last = items[limit - 1]
        return SnapshotList(items[:limit], f"{last.created}-{last.snapshot_id}")

    @operation("GET", "/snapshots/{snapshot_id}", action="snapshots/read")
    def get(self, snapshot_id: Digest) -> SnapshotInfo:
        """A snapshot with its files and what was left out of it. Raises NotFound."""
        row = store.row(self.storage.database, snapshot_id)
        return _info(row["created"], snapshot_id, self.files(snapshot_id), row["notices_json"])

    @operation("POST", "/snapshots/{snapshot_id}/renewal", action="snapshots/write", audited=False)
    def renew(self, snapshot_id: Digest) -> SnapshotSummary:
        """Say that a run will be started from a snapshot that may be here. Raises NotFound."""
        with self.storage.database.write(durable=False) as transaction:
            row = store.row(transaction, snapshot_id)
            if not self.storage.blobs.renew_files([snapshot_id]):
                raise store.no_snapshot(snapshot_id)
        return SnapshotSummary(snapshot_id, row["created"], row["size"])

    @operation("GET", "/snapshots/{snapshot_id}/uses", action="snapshots/read")
    def uses(self, snapshot_id: Digest) -> SnapshotUses:
        """The runs that were started from it and the models that came of it, the newest first."""
        store.row(self.storage.database, snapshot_id)
        return SnapshotUses(store.uses(self.storage.database, snapshot_id))

    @operation("GET", "/snapshots/{snapshot_id}/files/{path}", action="snapshots/read")
    def file(self, snapshot_id: Digest, path: RelativePath) -> Content:
        """The bytes of one file of a snapshot."""
        found = self.find(snapshot_id, relative(path))
        return Content(
            stream=self.storage.blobs.open(found.digest),
            size=found.size,
            media_type="application/octet-stream",
            filename=path.rpartition("/")[2],
        )

    @operation(
        "POST",
        "/snapshots/{snapshot_id}/contents",
        action="snapshots/read",
        audited=False,
        body_limit=FILES_LIMIT,
    )
    def contents(self, snapshot_id: Digest, body: ChosenFiles) -> Content:
        """The contents of files in the order of their paths, framed as `put_many` takes them."""
        files = self._chosen(snapshot_id, body.paths)
        return Content(
            stream=cast("BinaryIO", FramedFiles(self.storage.blobs, files)),
            size=sum(LENGTH.size + file.size for file in files),
            media_type="application/octet-stream",
            filename=f"{snapshot_id}.contents",
        )

    def files(self, snapshot_id: str) -> "builtins_list[SnapshotFile]":
        """The files of a snapshot, by path."""
        raw = self.storage.blobs.read(snapshot_id)
        return msgspec.json.decode(raw, type=builtins_list[SnapshotFile])

    def find(self, snapshot_id: str, path: str, field: str = "path") -> SnapshotFile:
        [found] = self._chosen(snapshot_id, [path], field)
        return found

    def _hold(self, raw: bytes, digest: str) -> AbstractContextManager[Held | HeldList]:
        """Keep the list of a snapshot; a long one in parts, of which most are those of the last."""
        if len(raw) <= SHORT or self.storage.blobs.path(digest).exists():
            return self.storage.blobs.hold(BytesIO(raw), digest)
        return hold_list(self.storage.blobs, raw, digest)

    def _chosen(
        self, snapshot_id: str, paths: Iterable[str] | None, field: str = "path"
    ) -> "builtins_list[SnapshotFile]":
        store.row(self.storage.database, snapshot_id)
        files = self.files(snapshot_id)
        if paths is None:
            return files
        wanted = set(paths)
        found = [file for file in files if file.path in wanted]
        for path in wanted - {file.path for file in found}:
            raise NotFound(f"The snapshot has no file {path!r}.", field=field)
        return found

    def _require(self, files: Sequence[SnapshotFile]) -> None:
        """Raise InvalidInput where a content is not here, or no longer."""
        here = self.storage.blobs.kept([file.digest for file in files])
        for file in files:
            if file.digest not in here:
                raise InvalidInput(
                    f"The content of {file.path!r} is missing.",
                    field="files",
                    hint="Put its content first.",
                )


builtins_list = list


def _info(created: int, digest: str, files: Sequence[SnapshotFile], notices: str) -> SnapshotInfo:
    size = sum(file.size for file in files)
    return msgspec.convert(
        {
            "snapshot_id": digest,
            "created": created,
            "size": size,
            "files": files,
            **json.loads(notices),
        },
        SnapshotInfo,
    )
