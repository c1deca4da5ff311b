"""Artifacts of a run: its files, by name; and its log and output notebook while they grow."""

import json
import mimetypes
from io import BytesIO
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import Meta

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content, LogChunk, Nothing, Offset, RelativePath, RunId
from ml_workspace_lab.errors import Conflict, NotFound
from ml_workspace_lab.experiments import run_store
from ml_workspace_lab.experiments.model import ArtifactInfo, ArtifactList
from ml_workspace_lab.experiments.search.sql import Bindings, dialect
from ml_workspace_lab.storage.blobs import Held
from ml_workspace_lab.storage.database import Row, Transaction, now
from ml_workspace_lab.storage.logs import read_log
from ml_workspace_lab.storage.paths import relative

GIB = 1024**3
OUTPUT_NOTEBOOK = "output.ipynb"


class Artifacts(Service):
    """Files that a run keeps."""

    @operation("GET", "/runs/{run_id}/artifacts", action="experiments/runs/read")
    def list(self, run_id: RunId) -> ArtifactList:
        """All artifacts of a run, by path. Raises NotFound."""
        self.services.runs.get(run_id)
        rows = self.storage.database.all(
            "SELECT a.* FROM artifact a JOIN run r ON r.id = a.run"
            " WHERE r.uid = :uid ORDER BY path",
            uid=run_id,
        )
        return ArtifactList([_artifact(row) for row in rows])

    @operation("GET", "/runs/{run_id}/artifacts/{path}", action="experiments/runs/read")
    def get(self, run_id: RunId, path: RelativePath) -> Content:
        """The bytes of one artifact."""
        found = self.find(run_id, relative(path))
        return Content(
            stream=self.storage.blobs.open(found.digest),
            size=found.size,
            media_type=found.media_type,
            filename=found.path.rpartition("/")[2],
        )

    @operation(
        "PUT",
        "/runs/{run_id}/artifacts/{path}",
        action="experiments/runs/write",
        body_limit=16 * GIB,
    )
    def put(self, run_id: RunId, path: RelativePath, content: BinaryIO) -> ArtifactInfo:
        """Keep `content` under `path`; an artifact that was there is replaced. Raises Conflict
        where the path is a folder of others, or one of its folders is a file."""
        path = relative(path)
        self.services.runs.get(run_id)
        with self.storage.blobs.hold(content) as held:
            return self.keep(run_id, path, held)

    def keep(self, run_id: str, path: str, held: Held) -> ArtifactInfo:
        """Let a content that was just put be the artifact `path`."""
        info = ArtifactInfo(path, held.size, media_type(path), now(), held.digest)
        with self.storage.database.write() as transaction:
            if caller().attempt is not None:  # To take a large one in takes a while.
                self.services.attempts.check_present(caller(), transaction)
            run = run_store.writable(transaction, run_id)["id"]
            held.require()
            self._require_place(transaction, run, path)
            _put(transaction, run, info)
            run_store.touch(transaction, run, "run.artifact", run_id)
        return info

    @operation("DELETE", "/runs/{run_id}/artifacts/{path}", action="experiments/runs/write")
    def delete(self, run_id: RunId, path: RelativePath) -> Nothing:
        """Take one artifact away."""
        found = self.find(run_id, relative(path))
        with self.storage.database.write(frees=True) as transaction:
            run = run_store.writable(transaction, run_id)["id"]
            transaction.execute(
                "DELETE FROM artifact WHERE run = :run AND path = :path", run=run, path=found.path
            )
            run_store.touch(transaction, run, "run.artifact", run_id)
        return Nothing()

    @operation("GET", "/runs/{run_id}/log", action="experiments/runs/read")
    def log(
        self,
        run_id: RunId,
        offset: Offset = 0,
        limit: Annotated[int, Meta(ge=1, le=4 * 1024 * 1024)] = 256 * 1024,
    ) -> LogChunk:
        """The part of the run's log from byte `offset` on, at most `limit` bytes of it."""
        # The state first: what is written before the end is then in the file that is read after.
        ended = self.services.runs.get(run_id).state.is_terminal
        return read_log(self.storage.run(run_id).log, offset, limit, ended=ended)

    @operation("GET", "/runs/{run_id}/notebook", action="experiments/runs/read")
    def notebook(self, run_id: RunId) -> dict[str, Any]:
        """The output notebook of a notebook run (nbformat 4), as far as it has been executed."""
        self.services.runs.get(run_id)
        try:
            raw = self.storage.run(run_id).notebook.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"Run {run_id} has no output notebook (yet).", field="run_id") from None
        content: dict[str, Any] = json.loads(raw)
        return content

    def find(self, run_id: str, path: str) -> ArtifactInfo:
        row = self.storage.database.one(
            "SELECT a.* FROM artifact a JOIN run r ON r.id = a.run"
            " WHERE r.uid = :uid AND a.path = :path",
            uid=run_id,
            path=path,
        )
        if row is None:
            raise NotFound(f"Run {run_id} has no artifact {path!r}.", field="path")
        return _artifact(row)

    def _require_place(self, transaction: Transaction, run: int, path: str) -> None:
        parts = path.split("/")
        above = ["/".join(parts[:end]) for end in range(1, len(parts))]
        bindings = Bindings()
        of_run = f"SELECT path FROM artifact WHERE run = {bindings.mark(run)}"  # noqa: S608 - marks
        bytewise = dialect(self.storage.database).bytewise("path")
        # Two halves, so that each walks along the key; `0` is what follows `/`.
        row = transaction.one(
            f"{of_run} AND path IN ({bindings.marks(above) or 'NULL'}) UNION ALL {of_run}"
            f" AND {bytewise} > {bindings.mark(f'{path}/')}"
            f" AND {bytewise} < {bindings.mark(f'{path}0')} LIMIT 1",
            **bindings.values,
        )
        if row is None:
            return
        there = row["path"]
        reason = f"{there!r} is a file" if there in above else f"it is the folder of {there!r}"
        raise Conflict(
            f"The artifact {path!r} can't be kept: {reason}.",
            field="path",
            hint="Give it another path, or delete what is there.",
        )

    def put_bytes(self, run_id: str, path: str, content: bytes) -> ArtifactInfo:
        return self.put(run_id, path, BytesIO(content))


def media_type(path: str) -> str:
    if path.endswith(".ipynb"):
        return "application/x-ipynb+json"
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _put(transaction: Transaction, run: int, info: ArtifactInfo) -> None:
    transaction.execute(
        "INSERT INTO artifact (run, path, digest, size, media_type, created)"
        " VALUES (:run, :path, :digest, :size, :media_type, :created)"
        " ON CONFLICT (run, path) DO UPDATE SET digest = excluded.digest,"
        " size = excluded.size, created = excluded.created",
        run=run,
        **msgspec.structs.asdict(info),
    )


def _artifact(row: Row) -> ArtifactInfo:
    return ArtifactInfo(
        path=row["path"],
        size=row["size"],
        media_type=row["media_type"],
        created=row["created"],
        digest=row["digest"],
    )
