"""Logged and registered models as records, in a form that goes from workspace to workspace."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.types import Int64, Key, Name, Offset, RunId, Text
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models import logged_store, store
from ml_workspace_lab.models.logged_model import LoggedModelFile, LoggedModelId, ModelMetric, Status
from ml_workspace_lab.models.model import Alias, ModelFile, ModelName, Stage
from ml_workspace_lab.storage.database import Queries, Row, Transaction

COMPARED = ("created", "run_id", "source", "description", "stage", "tags")
"""What two records of a version are compared in, beside their files."""


class LoggedModelRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A logged model with its files and metrics. Times are milliseconds. `foreign_run` is a run of
    no workspace."""

    model_id: LoggedModelId
    name: Name
    model_type: Text
    status: Status
    created: Int64
    updated: Int64
    run_id: RunId | None = None
    foreign_run: Key | None = None
    status_message: Text = ""
    deleted: Int64 | None = None
    params: dict[Key, Text] = field(default_factory=dict)
    tags: dict[Key, Text] = field(default_factory=dict)
    files: list[LoggedModelFile] = field(default_factory=list)
    metrics: list[ModelMetric] = field(default_factory=list)


class VersionRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of a registered model. Without files its `source` lies elsewhere."""

    version: Offset
    created: Int64
    updated: Int64
    user: Text = ""
    description: Text = ""
    framework: Text = ""
    stage: Stage = "None"
    source: Text | None = None
    run_link: Text = ""
    run_id: RunId | None = None
    model_id: LoggedModelId | None = None
    executes_code: bool = False
    tags: dict[Key, Text] = field(default_factory=dict)
    files: list[ModelFile] = field(default_factory=list)


class ModelRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A registered model with its versions."""

    name: ModelName
    created: Int64
    updated: Int64
    description: Text = ""
    tags: dict[Key, Text] = field(default_factory=dict)
    aliases: dict[Alias, int] = field(default_factory=dict)
    versions: list[VersionRecord] = field(default_factory=list)


def read_logged(queries: Queries, run_id: str) -> list[LoggedModelRecord]:
    """The models that a run logged, the oldest first."""
    rows = queries.all(
        f"{logged_store.MODELS} WHERE l.run = :run ORDER BY l.created, l.uid", run=run_id
    )
    return _logged(queries, rows)


def logged_without_run(queries: Queries, experiment: int) -> list[str]:
    """The ids of an experiment's logged models that no run here has logged, the oldest first."""
    rows = queries.all(
        "SELECT l.uid FROM logged_model l LEFT JOIN run r ON r.uid = l.run"
        " WHERE l.experiment = :experiment AND r.uid IS NULL AND l.deleted IS NULL"
        " ORDER BY l.created, l.uid",
        experiment=experiment,
    )
    return [row["uid"] for row in rows]


def read_one_logged(queries: Queries, _: int, model_id: str) -> LoggedModelRecord | None:
    """The record of a logged model that no run here has logged; None where it isn't here."""
    rows = queries.all(f"{logged_store.MODELS} WHERE l.uid = :uid", uid=model_id)
    found = (
        msgspec.structs.replace(one, run_id=None, foreign_run=one.run_id)
        for one in _logged(queries, rows)
    )
    return next(found, None)


def write_one_logged(transaction: Transaction, experiment: int, record: LoggedModelRecord) -> None:
    """Add a logged model that no run here has logged, and that is not here yet. Raises InvalidInput
    where it says that one has."""
    if record.run_id is not None:
        raise InvalidInput("It is the model of a run.")
    write_logged(transaction, experiment, record)


def _logged(queries: Queries, rows: Sequence[Row]) -> list[LoggedModelRecord]:
    return [
        LoggedModelRecord(
            model_id=info.model_id,
            name=info.name,
            model_type=info.model_type,
            status=info.status,
            created=info.created,
            updated=info.updated,
            run_id=info.run_id,
            status_message=row["status_message"],
            deleted=info.deleted,
            params=info.params,
            tags=info.tags,
            files=logged_store.files(queries, row["id"]),
            metrics=info.metrics,
        )
        for row, info in zip(rows, logged_store.infos(queries, rows), strict=True)
    ]


def write_logged(transaction: Transaction, experiment: int, record: LoggedModelRecord) -> bool:
    """Add a logged model to the experiment of that number; whether it was not there yet."""
    found = transaction.one(
        "SELECT 1 AS one FROM logged_model WHERE uid = :uid", uid=record.model_id
    )
    if found is not None:
        return False
    model = transaction.add(
        "logged_model",
        uid=record.model_id,
        experiment=experiment,
        run=record.run_id or record.foreign_run,
        params_json=json.dumps(record.params),
        tags_json=json.dumps(record.tags),
        **_same(record, "name model_type status status_message created updated deleted"),
    )
    transaction.many(
        "INSERT INTO logged_model_file (logged_model, path, digest, size, created)"
        " VALUES (:model, :path, :digest, :size, :created)",
        [{"model": model, **msgspec.structs.asdict(file)} for file in record.files],
    )
    logged_store.add_metrics(transaction, model, record.metrics)
    transaction.event("logged_model.created", record.model_id)
    return True


def differences(queries: Queries, record: ModelRecord) -> dict[int, list[str]]:
    """In what versions that are here differ from a record's. Properties and what was found out of
    the files don't count, nor does a record without files."""
    given = {version.version: version for version in record.versions}
    found = {}
    for present in store.versions(queries, record.name):
        version = given.get(present.version)
        if version is None:
            continue
        names = [name for name in COMPARED if getattr(present, name) != getattr(version, name)]
        if version.files and present.files != version.files:
            names.append("files")
        if names:
            found[present.version] = names
    return found


def other_aliases(queries: Queries, record: ModelRecord) -> dict[str, int]:
    """The aliases of a record that name other versions here, and which."""
    row = queries.one("SELECT id FROM model WHERE name = :name", name=record.name)
    here = store.model(queries, record.name).aliases if row is not None else {}
    return {
        alias: here[alias]
        for alias, number in record.aliases.items()
        if here.get(alias, number) != number
    }


def write_model(transaction: Transaction, record: ModelRecord) -> int:
    """Add a registered model, or those of its versions that are not there yet; how many were."""
    store.insert_model(transaction, record.name, record.description, record.tags)
    row = store.model_row(transaction, record.name)
    present = {version.version for version in store.versions(transaction, record.name)}
    added = [version for version in record.versions if version.version not in present]
    for version in added:
        transaction.insert(
            "model_version",
            model=row["id"],
            run=version.run_id,
            logged_model=version.model_id,
            stage="" if version.stage == "None" else version.stage,
            tags_json=json.dumps(version.tags),
            properties_json="{}",
            files_json=msgspec.json.encode(version.files).decode(),
            executes_code=int(version.executes_code),
            **_same(version, "version created updated user description framework source run_link"),
        )
        transaction.event("model.registered", record.name, version=str(version.version))
    newest = max((version.version for version in record.versions), default=0)
    if newest > row["last_version"]:
        transaction.execute(
            "UPDATE model SET last_version = :newest WHERE id = :id", newest=newest, id=row["id"]
        )
    for alias, number in record.aliases.items():
        if alias not in store.model(transaction, record.name).aliases:
            store.set_alias(transaction, record.name, alias, number)
    return len(added)


def _same(record: Struct, names: str) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names.split()}
