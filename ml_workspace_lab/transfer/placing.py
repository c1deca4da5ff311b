"""Putting records into a workspace, each run once."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ml_workspace_lab.errors import shown
from ml_workspace_lab.experiments import records
from ml_workspace_lab.experiments.artifacts import media_type
from ml_workspace_lab.experiments.points import Points
from ml_workspace_lab.experiments.records import ArtifactRecord, RunRecord
from ml_workspace_lab.storage.blobs import Held
from ml_workspace_lab.storage.database import Queries
from ml_workspace_lab.storage.storage import Storage


class Sized(NamedTuple):
    """A content by its digest and size."""

    digest: str
    size: int


class Contents:
    """Contents that were put and that rows of the next transaction will refer to."""

    def __init__(self, storage: Storage, stack: ExitStack) -> None:
        self._blobs = storage.blobs
        self._stack = stack
        self._held: list[Held] = []

    def put(self, path: Path) -> Sized:
        with path.open("rb") as stream:
            return self.take(stream)

    def take(self, stream: BinaryIO, expected: str | None = None) -> Sized:
        """Keep what a stream holds; raises InvalidInput where it is not what is expected."""
        held = self._stack.enter_context(self._blobs.hold(stream, expected))
        self._held.append(held)
        return Sized(held.digest, held.size)

    def require(self) -> None:
        """Inside the transaction: see to it that all of them are still there."""
        for held in self._held:
            held.require()


@contextmanager
def contents(storage: Storage) -> Iterator[Contents]:
    with ExitStack() as stack:
        yield Contents(storage, stack)


def artifact(name: str, held: Sized, created: int) -> ArtifactRecord:
    return ArtifactRecord(name, held.digest, held.size, media_type(name), created)


def differences(
    queries: Queries, record: RunRecord, points: Mapping[str, Points]
) -> list[str] | None:
    """In what a run that is here differs from a record; None where it isn't here. When artifacts
    were put doesn't count."""
    present = records.find(queries, record.run_id)
    if present is None:
        return None
    names = [
        name
        for name in record.__struct_fields__
        if name not in ("artifacts", "history", "deleted")
        and getattr(present, name) != getattr(record, name)
    ]
    if (present.deleted is None) != (record.deleted is None):
        names.append("deleted")
    if _sizes(present) != _sizes(record):
        names.append("artifacts")
    if records.summaries(queries, record.run_id) != records.summed_up(points):
        names.append("metrics")
    return names


def is_here(queries: Queries, uid: str) -> bool:
    return queries.one("SELECT 1 AS one FROM run WHERE uid = :uid", uid=uid) is not None


def told(names: list[str]) -> str:
    return f"It is here with other content: {shown(', '.join(names))[1:-1]}."


def _sizes(record: RunRecord) -> dict[str, int]:
    return {one.path: one.size for one in record.artifacts}
