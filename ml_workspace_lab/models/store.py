"""How models and their versions are kept."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.models.model import ModelFile, ModelInfo, ModelVersion
from ml_workspace_lab.storage.database import Database, Row, Transaction, now

_MODELS = """
SELECT m.*, count(v.id) AS versions,
    (SELECT w.id FROM model_version w WHERE w.model = m.id ORDER BY w.version DESC LIMIT 1)
        AS newest
FROM model m JOIN model_version v ON v.model = m.id
"""
_VERSIONS = """
SELECT v.*, m.name, (SELECT e.name FROM run r JOIN experiment e ON e.id = r.experiment
    WHERE r.uid = v.run) AS experiment
FROM model_version v JOIN model m ON m.id = v.model
"""


def models(database: Database, name: str | None = None) -> list[ModelInfo]:
    """Models that have a version left, the one with the newest version first."""
    where = "" if name is None else "WHERE m.name = :name"
    rows = database.all(f"{_MODELS} {where} GROUP BY m.id ORDER BY newest DESC", name=name)
    newest = {row["newest"]: None for row in rows}
    found = {info["id"]: info for info in _by_id(database, list(newest))}
    return [_model(row, found[row["newest"]]) for row in rows]


def versions(database: Database, name: str) -> list[ModelVersion]:
    """All versions of a model, the newest first."""
    rows = database.all(f"{_VERSIONS} WHERE m.name = :name ORDER BY v.version DESC", name=name)
    return [_version(row) for row in rows]


def version(database: Database, name: str, number: int) -> ModelVersion:
    row = database.one(
        f"{_VERSIONS} WHERE m.name = :name AND v.version = :number", name=name, number=number
    )
    if row is None:
        raise no_model(name, number)
    return _version(row)


def insert_version(
    transaction: Transaction, name: str, files: Sequence[ModelFile], **values: Any
) -> int:
    """Add the next version of a model; its number. Numbers of deleted versions don't return."""
    transaction.execute(
        "INSERT INTO model (name, created, last_version) VALUES (:name, :now, 0)"
        " ON CONFLICT (name) DO NOTHING",
        name=name,
        now=now(),
    )
    transaction.execute(
        "UPDATE model SET last_version = last_version + 1 WHERE name = :name", name=name
    )
    row = transaction.one("SELECT id, last_version FROM model WHERE name = :name", name=name)
    assert row is not None
    transaction.insert(
        "model_version",
        model=row["id"],
        version=row["last_version"],
        files_json=msgspec.json.encode(files).decode(),
        created=now(),
        **values,
    )
    transaction.event("model.registered", name, version=str(row["last_version"]))
    return int(row["last_version"])


def update_version(
    transaction: Transaction,
    name: str,
    number: int,
    *,
    description: str,
    tags: dict[str, str],
    properties: dict[str, str],
) -> None:
    transaction.execute(
        "UPDATE model_version SET description = :description, tags_json = :tags,"
        " properties_json = :properties"
        " WHERE version = :number AND model = (SELECT id FROM model WHERE name = :name)",
        description=description,
        tags=json.dumps(tags),
        properties=json.dumps(properties),
        number=number,
        name=name,
    )
    transaction.event("model.updated", name, version=str(number))


def delete_version(transaction: Transaction, name: str, number: int) -> None:
    transaction.execute(
        "DELETE FROM model_version"
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


def _by_id(database: Database, ids: Sequence[int]) -> list[Row]:
    marks = {f"v{index}": value for index, value in enumerate(ids)}
    listed = ", ".join(f":{name}" for name in marks) or "NULL"
    return database.all(f"SELECT * FROM model_version WHERE id IN ({listed})", **marks)


def _model(row: Row, newest: Row) -> ModelInfo:
    return ModelInfo(
        name=row["name"],
        created=row["created"],
        latest_version=newest["version"],
        versions=row["versions"],
        description=newest["description"],
        tags=json.loads(newest["tags_json"]),
    )


def _version(row: Row) -> ModelVersion:
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
    )
