"""How models and their versions are kept."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.models.model import ModelFile, ModelInfo, ModelVersion, Stage
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.storage.marks import groups

MODELS = """
SELECT m.*, (SELECT count(*) FROM model_version v WHERE v.model = m.id) AS versions,
    (SELECT coalesce(max(v.version), 0) FROM model_version v WHERE v.model = m.id) AS newest
FROM model m
"""
VERSIONS = """
SELECT v.*, m.name, (SELECT e.name FROM run r JOIN experiment e ON e.id = r.experiment
    WHERE r.uid = v.run) AS experiment
FROM model_version v JOIN model m ON m.id = v.model
"""


def models(queries: Queries) -> list[ModelInfo]:
    """All models, the one that was changed last first."""
    return of_models(queries, queries.all(f"{MODELS} ORDER BY m.updated DESC, m.id DESC"))


def model(queries: Queries, name: str) -> ModelInfo:
    return of_models(queries, [model_row(queries, name)])[0]


def model_row(queries: Queries, name: str) -> Row:
    row = queries.one(f"{MODELS} WHERE m.name = :name", name=name)
    if row is None:
        raise no_model(name)
    return row


def versions(queries: Queries, name: str) -> list[ModelVersion]:
    """All versions of a model, the newest first."""
    rows = queries.all(f"{VERSIONS} WHERE m.name = :name ORDER BY v.version DESC", name=name)
    return of_versions(queries, rows)


def latest(queries: Queries, names: Sequence[str]) -> list[ModelVersion]:
    """The newest version of each stage, of each of the models."""
    found: list[ModelVersion] = []
    for marks, named in groups(names):
        rows = queries.all(
            f"{VERSIONS} WHERE m.name IN ({marks}) AND v.version = (SELECT max(o.version)"
            " FROM model_version o WHERE o.model = v.model AND o.stage = v.stage)"
            " ORDER BY m.id, v.version",
            **named,
        )
        found += of_versions(queries, rows)
    return found


def version(queries: Queries, name: str, number: int) -> ModelVersion:
    row = queries.one(
        f"{VERSIONS} WHERE m.name = :name AND v.version = :number", name=name, number=number
    )
    if row is None:
        raise no_model(name, number)
    return of_versions(queries, [row])[0]


def insert_model(
    transaction: Transaction, name: str, description: str = "", tags: dict[str, str] | None = None
) -> bool:
    """Add a model without versions; whether there was none of that name."""
    added = transaction.execute(
        "INSERT INTO model (name, description, tags_json, created, updated, last_version)"
        " VALUES (:name, :description, :tags, :now, :now, 0) ON CONFLICT (name) DO NOTHING",
        name=name,
        description=description,
        tags=json.dumps(tags or {}),
        now=now(),
    )
    if added.rowcount == 1:
        transaction.event("model.created", name)
    return added.rowcount == 1


def touch(transaction: Transaction, name: str) -> None:
    """Note that a model has changed now: one of its versions came to a stage, or is gone."""
    transaction.execute("UPDATE model SET updated = :now WHERE name = :name", now=now(), name=name)


def insert_version(
    transaction: Transaction, name: str, files: Sequence[ModelFile], **values: Any
) -> int:
    """Add the next version of a model, which is made where there is none; its number. Numbers of
    deleted versions don't return."""
    insert_model(transaction, name)
    row = transaction.one(
        "UPDATE model SET last_version = last_version + 1, updated = :now WHERE name = :name"
        " RETURNING id, last_version",
        name=name,
        now=now(),
    )
    assert row is not None
    transaction.insert(
        "model_version",
        model=row["id"],
        version=row["last_version"],
        files_json=msgspec.json.encode(files).decode(),
        created=now(),
        updated=now(),
        **values,
    )
    transaction.event("model.registered", name, version=str(row["last_version"]))
    return int(row["last_version"])


def change_model(transaction: Transaction, name: str, new: str, **columns: Any) -> None:
    """Set a model's name and columns. The columns' names are the caller's own words."""
    settings = ", ".join(f"{column} = :{column}" for column in columns)
    transaction.execute(
        f"UPDATE model SET name = :new, {settings}, updated = :now WHERE name = :name",
        **columns,
        new=new,
        now=now(),
        name=name,
    )
    if new != name:
        transaction.event("model.renamed", new, previous=name)
    else:
        transaction.event("model.updated", name)


def delete_model(transaction: Transaction, name: str) -> None:
    transaction.execute("DELETE FROM model WHERE name = :name", name=name)
    transaction.event("model.removed", name)


def set_alias(transaction: Transaction, name: str, alias: str, number: int) -> None:
    transaction.execute(
        "INSERT INTO model_alias (model, alias, version)"
        " VALUES ((SELECT id FROM model WHERE name = :name), :alias, :number)"
        " ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
        name=name,
        alias=alias,
        number=number,
    )
    transaction.event("model.aliased", name, alias=alias, version=str(number))


def delete_alias(transaction: Transaction, name: str, alias: str) -> None:
    transaction.execute(
        "DELETE FROM model_alias"
        " WHERE alias = :alias AND model = (SELECT id FROM model WHERE name = :name)",
        alias=alias,
        name=name,
    )
    transaction.event("model.unaliased", name, alias=alias)


def move(transaction: Transaction, name: str, number: int, stage: Stage) -> None:
    """Bring a version to a stage."""
    change_version(transaction, name, number, stage="" if stage == "None" else stage)
    transaction.event("model.staged", name, version=str(number), stage=stage)


def change_version(transaction: Transaction, name: str, number: int, **columns: Any) -> None:
    """Set columns of a version. Their names are the caller's own words."""
    settings = ", ".join(f"{column} = :{column}" for column in columns)
    transaction.execute(
        f"UPDATE model_version SET {settings}, updated = :now"
        " WHERE version = :number AND model = (SELECT id FROM model WHERE name = :name)",
        **columns,
        now=now(),
        number=number,
        name=name,
    )


def delete_version(transaction: Transaction, name: str, number: int) -> None:
    """Take a version away, with the aliases that name it."""
    tables = ("model_alias", "model_compilation", "model_profile", "model_trust", "model_version")
    for table in tables:
        transaction.execute(
            f"DELETE FROM {table}"
            " WHERE version = :number AND model = (SELECT id FROM model WHERE name = :name)",
            number=number,
            name=name,
        )
    transaction.event("model.deleted", name, version=str(number))


def no_model(name: str, number: int | None = None) -> NotFound:
    what = f"model {name!r}" if number is None else f"version {number} of model {name!r}"
    return NotFound(
        f"There is no {what}.", field="model", hint="`ml-workspace model` lists what there is."
    )


def of_models(queries: Queries, rows: Sequence[Row]) -> list[ModelInfo]:
    """The models of rows that `MODELS` selects."""
    aliases: dict[int, dict[str, int]] = {}
    for alias in _aliases(queries, {row["id"] for row in rows}):
        aliases.setdefault(alias["model"], {})[alias["alias"]] = alias["version"]
    return [_model(row, aliases.get(row["id"], {})) for row in rows]


def of_versions(queries: Queries, rows: Sequence[Row]) -> list[ModelVersion]:
    """The versions of rows that `VERSIONS` selects."""
    aliases: dict[tuple[int, int], list[str]] = {}
    for alias in _aliases(queries, {row["model"] for row in rows}):
        aliases.setdefault((alias["model"], alias["version"]), []).append(alias["alias"])
    return [_version(row, aliases.get((row["model"], row["version"]), [])) for row in rows]


def _aliases(queries: Queries, models: set[int]) -> list[Row]:
    found: list[Row] = []
    for marks, named in groups(sorted(models)):
        found += queries.all(
            f"SELECT * FROM model_alias WHERE model IN ({marks}) ORDER BY model, alias", **named
        )
    return found


def _model(row: Row, aliases: dict[str, int]) -> ModelInfo:
    return ModelInfo(
        name=row["name"],
        created=row["created"],
        latest_version=row["newest"],
        versions=row["versions"],
        description=row["description"],
        tags=json.loads(row["tags_json"]),
        updated=row["updated"],
        aliases=aliases,
    )


def _version(row: Row, aliases: list[str]) -> ModelVersion:
    files = msgspec.json.decode(row["files_json"], type=list[ModelFile])
    return ModelVersion(
        name=row["name"],
        version=row["version"],
        description=row["description"],
        framework=row["framework"],
        created=row["created"],
        user=row["user"],
        run_id=row["run"],
        experiment=row["experiment"],
        snapshot_id=row["snapshot"],
        tags=json.loads(row["tags_json"]),
        properties=json.loads(row["properties_json"]),
        files=files,
        size=sum(file.size for file in files),
        executes_code=bool(row["executes_code"]),
        updated=row["updated"],
        stage=row["stage"] or "None",
        aliases=aliases,
        source=row["source"],
        run_link=row["run_link"],
        model_id=row["logged_model"],
    )
