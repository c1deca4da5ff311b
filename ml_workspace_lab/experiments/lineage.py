"""What runs read and what they made: datasets, models and other things, by name and digest."""

import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Key, Limit, Millis, Name, RunId, text_like
from ml_workspace_lab.experiments import run_store
from ml_workspace_lab.storage.database import Row, Transaction, now
from ml_workspace_lab.storage.marks import groups

MIB = 1024 * 1024
Direction = Literal["input", "output"]
LineageKind = Annotated[
    str, text_like(r"^[a-z][a-z_]{0,31}$(?!\n)", "must be one word in lower case, such as dataset")
]
Digest = Annotated[str, Meta(max_length=255)]
Context = Annotated[str, Meta(max_length=255)]


class LineageItem(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a run read or made: `kind` is dataset, model, or another word; `context` says
    what for (training, validation, ...); `data` is what else is known of it."""

    direction: Direction
    kind: LineageKind
    name: Key
    digest: Digest = ""
    context: Context = ""
    data: dict[str, Any] = field(default_factory=dict)


class AddLineage(Struct, frozen=True, forbid_unknown_fields=True):
    items: list[LineageItem]


class LineageEntry(Struct, frozen=True):
    """An item of a run's lineage and when it was added."""

    run_id: str
    direction: Direction
    kind: str
    name: str
    digest: str
    context: str
    data: dict[str, Any]
    created: Millis


class LineageList(Struct, frozen=True):
    items: list[LineageEntry]


class RunIds(Struct, frozen=True, forbid_unknown_fields=True):
    run_ids: Annotated[list[RunId], Meta(max_length=50_000)]


class Lineages(Service):
    """Inputs and outputs of runs."""

    @operation("GET", "/runs/{run_id}/lineage", action="experiments/runs/read")
    def of_run(self, run_id: RunId) -> LineageList:
        """What the run read and made, in the order in which it was added."""
        run = run_store.row_of(self.storage.database, run_id)
        rows = self.storage.database.all(
            "SELECT *, :uid AS uid FROM lineage WHERE run = :run ORDER BY id",
            run=run["id"],
            uid=run_id,
        )
        return LineageList([_entry(row) for row in rows])

    @operation("POST", "/lineage/of-runs", action="experiments/runs/read", audited=False)
    def of_runs(self, body: RunIds) -> LineageList:
        """What several runs read and made; a run that isn't there has nothing."""
        found: list[LineageEntry] = []
        for marks, named in groups(body.run_ids):
            rows = self.storage.database.all(
                "SELECT l.*, r.uid FROM lineage l JOIN run r ON r.id = l.run"  # noqa: S608
                f" WHERE r.uid IN ({marks}) ORDER BY l.id",
                **named,
            )
            found += map(_entry, rows)
        return LineageList(found)

    @operation(
        "POST",
        "/runs/{run_id}/lineage",
        action="experiments/runs/write",
        body_limit=64 * MIB,
    )
    def add(self, run_id: RunId, body: AddLineage) -> LineageList:
        """Add inputs and outputs of the run; one that is there already gets the new data."""
        with self.storage.database.write() as transaction:
            run = run_store.writable(transaction, run_id)
            for item in body.items:
                _put(transaction, run["id"], item)
            run_store.touch(transaction, run["id"], "run.lineage", run_id)
        return self.of_run(run_id)

    @operation("GET", "/experiments/{experiment}/lineage", action="experiments/runs/read")
    def of_experiment(
        self,
        experiment: Name,
        kind: LineageKind,
        direction: Direction | None = None,
        limit: Limit = 1000,
    ) -> LineageList:
        """What the experiment's runs read and made of one kind, or only one of both: each once, the
        newest first."""
        which = "" if direction is None else "AND m.direction = :direction"
        rows = self.storage.database.all(
            "SELECT l.*, r.uid FROM lineage l JOIN run r ON r.id = l.run"  # noqa: S608
            " WHERE l.id IN (SELECT max(m.id) FROM lineage m JOIN run s ON s.id = m.run"
            " JOIN experiment e ON e.id = s.experiment WHERE e.name = :experiment"
            f" AND m.kind = :kind {which} AND s.deleted IS NULL"
            " GROUP BY m.direction, m.name, m.digest, m.context)"
            " ORDER BY l.id DESC LIMIT :limit",
            experiment=experiment,
            kind=kind,
            direction=direction,
            limit=limit,
        )
        return LineageList([_entry(row) for row in rows])

    @operation("GET", "/lineage", action="experiments/runs/read")
    def find(
        self,
        kind: LineageKind,
        name: Key,
        digest: Digest | None = None,
        limit: Limit = 100,
    ) -> LineageList:
        """Which runs read or made the thing of that name (and digest), the newest first."""
        which = "" if digest is None else "AND l.digest = :digest"
        rows = self.storage.database.all(
            "SELECT l.*, r.uid FROM lineage l JOIN run r ON r.id = l.run"  # noqa: S608
            f" WHERE l.kind = :kind AND l.name = :name {which} AND r.deleted IS NULL"
            " ORDER BY l.id DESC LIMIT :limit",
            kind=kind,
            name=name,
            digest=digest,
            limit=limit,
        )
        return LineageList([_entry(row) for row in rows])


def _put(transaction: Transaction, run: int, item: LineageItem) -> None:
    values = msgspec.structs.asdict(item)
    values["data_json"] = json.dumps(values.pop("data"))
    transaction.execute(
        "INSERT INTO lineage (run, direction, kind, name, digest, context, data_json, created)"
        " VALUES (:run, :direction, :kind, :name, :digest, :context, :data_json, :created)"
        " ON CONFLICT (run, direction, kind, name, digest, context)"
        " DO UPDATE SET data_json = excluded.data_json",
        run=run,
        created=now(),
        **values,
    )


def _entry(row: Row) -> LineageEntry:
    return LineageEntry(
        run_id=row["uid"],
        direction=row["direction"],
        kind=row["kind"],
        name=row["name"],
        digest=row["digest"],
        context=row["context"],
        data=json.loads(row["data_json"]),
        created=row["created"],
    )
