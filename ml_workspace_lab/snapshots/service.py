"""Snapshots: what a run started from, kept by content and never changed."""

import json
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from typing import BinaryIO

import msgspec

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, Digest, RelativePath
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.snapshots.model import (
    BlobInfo,
    CreateSnapshot,
    MissingBlobs,
    SnapshotFile,
    SnapshotInfo,
)
from ml_workspace_lab.storage.database import now
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
        blobs = self.storage.blobs
        return MissingBlobs([digest for digest in body.digests if not blobs.renew(digest)])

    @operation("PUT", "/blobs/{digest}", action="blobs/write", audited=False, body_limit=16 * GIB)
    def put_blob(self, digest: Digest, content: BinaryIO) -> BlobInfo:
        """Keep `content`; raises InvalidInput where its SHA-256 is another."""
        return BlobInfo(*self.storage.blobs.add(content, expected=digest))

    @operation("POST", "/snapshots", action="snapshots/write", body_limit=FILES_LIMIT)
    def create(self, body: CreateSnapshot) -> SnapshotInfo:
        """A snapshot of files whose contents have been put before. Equal trees are one snapshot."""
        files = sorted((_checked(file) for file in body.files), key=lambda file: file.path)
        paths = [file.path for file in files]
        for before, after in pairwise(paths):
            if after == before or after.startswith(before + "/"):
                raise InvalidInput(
                    f"The path {after!r} stands twice in the snapshot.", field="files"
                )
        manifest = msgspec.json.encode(files)
        notices = {"omitted": msgspec.to_builtins(body.omitted), "notes": body.notes}
        with (
            self.storage.blobs.hold(BytesIO(manifest)) as held,
            self.storage.database.write() as transaction,
        ):
            held.require()
            self._require(files)
            transaction.execute(
                "INSERT INTO snapshot (digest, size, notices_json, created)"
                " VALUES (:digest, :size, :notices, :now) ON CONFLICT (digest) DO NOTHING",
                digest=held.digest,
                size=sum(file.size for file in files),
                notices=json.dumps(notices),
                now=now(),
            )
        return self.get(held.digest)

    @operation("GET", "/snapshots/{snapshot_id}", action="snapshots/read")
    def get(self, snapshot_id: Digest) -> SnapshotInfo:
        row = self.storage.database.one(
            "SELECT * FROM snapshot WHERE digest = :digest", digest=snapshot_id
        )
        if row is None:
            raise NotFound(f"There is no snapshot {snapshot_id}.", field="snapshot_id")
        files = self.storage.blobs.read(snapshot_id)
        return msgspec.convert(
            {
                "snapshot_id": snapshot_id,
                "created": row["created"],
                "size": row["size"],
                "files": msgspec.json.decode(files),
                **json.loads(row["notices_json"]),
            },
            SnapshotInfo,
        )

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

    def _require(self, files: Sequence[SnapshotFile]) -> None:
        """Raise InvalidInput where a content is not here, or no longer."""
        for file in files:
            if not self.storage.blobs.has(file.digest):
                raise InvalidInput(
                    f"The content of {file.path!r} is missing.",
                    field="files",
                    hint="Put its content first.",
                )

    def find(self, snapshot_id: str, path: str, field: str = "path") -> SnapshotFile:
        for file in self.get(snapshot_id).files:
            if file.path == path:
                return file
        raise NotFound(f"The snapshot has no file {path!r}.", field=field)


def _checked(file: SnapshotFile) -> SnapshotFile:
    return msgspec.structs.replace(file, path=relative(file.path, "files.path"))
