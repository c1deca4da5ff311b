"""The trash: what was deleted and can come back, until it is purged."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Limit, Millis, Name, RunId
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments import purging, store
from ml_workspace_lab.experiments import trash_store as trash
from ml_workspace_lab.experiments.places import parsed, spelled
from ml_workspace_lab.experiments.purging import moment_before
from ml_workspace_lab.storage.files import FileLock
from ml_workspace_lab.storage.freeing import Freed
from ml_workspace_lab.storage.sweep import sweep

DAYS = 30.0
"""How long things lie in the trash before a purge that names none of them takes them."""

LEFT_DAYS = 1.0
"""How old what nothing refers to must be: somebody may be about to refer to what is newer."""

Days = Annotated[float, Meta(ge=0, le=36_500)]


class TrashItem(Struct, frozen=True):
    """A run, or an experiment with the runs in it; `bytes` counts artifacts, metrics and files."""

    kind: Literal["experiment", "run"]
    id: str
    name: str
    experiment: str
    deleted: Millis
    runs: int
    bytes: int


class TrashList(Struct, frozen=True):
    """What is in the trash; `next` is the `after` that asks for the part that follows."""

    items: list[TrashItem]
    next: str | None = None


class Purge(Struct, frozen=True, forbid_unknown_fields=True):
    """What to delete for good: runs and experiments that are named, else all that has been in the
    trash for `older_than_days` (default: 30; of what is named, 0)."""

    older_than_days: Days | None = None
    run_ids: list[RunId] | None = None
    experiments: list[Name] | None = None


class Kept(Struct, frozen=True):
    """What was not purged, and why."""

    id: str
    reason: str


class PurgeResult(Struct, frozen=True):
    """What has gone. `bytes` is what the disk has got back of `files`; the sizes of the database
    were measured before and after. What others have meanwhile written counts there, too."""

    runs: int
    experiments: int
    files: int
    bytes: int
    database_bytes_before: int
    database_bytes_after: int
    kept: list[Kept] = field(default_factory=list)


class Collected(Struct, frozen=True):
    """What nothing referred to, and is gone: files, and the bytes that the disk has got back."""

    files: int
    bytes: int


class Trash(Service):
    """Deleted experiments and runs."""

    @operation("GET", "/trash", action="trash/read")
    def list(self, after: str | None = None, limit: Limit = 100) -> TrashList:
        """Experiments in the trash, then runs that were deleted for themselves, with their sizes;
        the newest deletion first."""
        database = self.storage.database
        rows = trash.alone(database, parsed(after), limit + 1)
        items = [
            TrashItem(
                "run",
                row["uid"],
                row["display_name"],
                row["experiment_name"],
                row["deleted"],
                1,
                trash.size(database, run=row["id"]) + self._folder_size(row["uid"]),
            )
            for row in rows[:limit]
        ]
        last = rows[limit - 1] if len(rows) > limit else None
        following = spelled((last["deleted"], last["id"])) if last else None
        return TrashList([*([] if after else self._experiments()), *items], following)

    @operation("POST", "/trash/purge", action="trash/delete")
    def purge(self, body: Purge) -> PurgeResult:
        """Delete for good what is in the trash, with all contents that only it referred to.

        What a registered model still needs stays, with the reason. Raises Conflict while another
        purge is at work. One that was killed is finished by the next.
        """
        lock = FileLock(self.storage.root / "purge.lock")
        if not lock.acquire():
            raise Conflict("Another purge is at work.", hint="Try again when it is done.")
        try:
            return self._purge(body)
        finally:
            lock.release()

    @operation("POST", "/gc", action="trash/delete")
    def collect(self) -> Collected:
        """Remove contents that nothing refers to and temporary files, older than a day."""
        freed = sweep(self.storage, moment_before(LEFT_DAYS))
        return Collected(freed.files, freed.bytes)

    def _purge(self, body: Purge) -> PurgeResult:
        size = self.storage.database.size()
        freed, kept, gone = Freed(), dict[str, str](), set[str]()
        purging.finish_earlier(self.storage, freed)
        everything = body.run_ids is None and body.experiments is None
        days = body.older_than_days
        before = moment_before(DAYS if days is None and everything else days or 0.0)
        names = None if everything else body.experiments or []
        found = trash.experiments(self.storage.database, names, before)
        for name in set(names or []) - {row["name"] for row in found}:
            kept[name] = "It is not in the trash, or not for so long."
        purged = 0
        for experiment in found:
            runs = trash.runs_of(self.storage.database, experiment["id"])
            gone.update(purging.purge_runs(self.storage, runs, before, freed, kept.__setitem__))
            if purging.purge_experiment(self.storage, experiment, freed):
                purged += 1
            else:
                kept[experiment["name"]] = "Not all of its runs could be purged."
        named = trash.old_runs(self.storage.database, before) if everything else body.run_ids
        rest = [uid for uid in dict.fromkeys(named or []) if uid not in gone and uid not in kept]
        gone.update(purging.purge_runs(self.storage, rest, before, freed, kept.__setitem__))
        if gone:
            self.storage.database.shrink()
        return PurgeResult(
            len(gone),
            purged,
            freed.files,
            freed.bytes,
            size,
            self.storage.database.size(),
            [Kept(name, reason) for name, reason in kept.items()],
        )

    def _experiments(self) -> Iterator[TrashItem]:
        found = store.experiments(self.storage.database, "deleted", None)
        for info in sorted(found, key=lambda one: one.deleted or 0, reverse=True):
            assert info.deleted is not None
            runs = trash.runs_of(self.storage.database, info.number)
            files = sum(map(self._folder_size, runs))
            size = trash.size(self.storage.database, experiment=info.number) + files
            yield TrashItem(
                "experiment",
                info.experiment_id,
                info.name,
                info.name,
                info.deleted,
                len(runs),
                size,
            )

    def _folder_size(self, uid: str) -> int:
        files = self.storage.run(uid).path.rglob("*")
        return sum(size for file in files if (size := _size(file)))


def _size(file: Path) -> int:
    try:
        return file.lstat().st_size if file.is_file() else 0
    except OSError:
        return 0  # removed meanwhile
