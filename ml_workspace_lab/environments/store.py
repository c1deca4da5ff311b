"""How environments and what runs ran in are kept."""

import json
from typing import Any

import msgspec

from ml_workspace_lab.environments.model import (
    EnvironmentSummary,
    EnvironmentVersion,
    Lock,
    Specification,
)
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now

_VERSIONS = (
    "SELECT v.*, e.name FROM environment_version v JOIN environment e ON e.id = v.environment"
)


def newest(queries: Queries) -> list[EnvironmentSummary]:
    """The newest version of every environment, by name."""
    rows = queries.all(
        f"{_VERSIONS} WHERE v.version = (SELECT max(o.version) FROM environment_version o"
        " WHERE o.environment = v.environment) ORDER BY e.name"
    )
    return [EnvironmentSummary.of(_version(row)) for row in rows]


def versions(queries: Queries, name: str) -> list[EnvironmentVersion]:
    """All versions of an environment, the newest first. Raises NotFound where there is none."""
    rows = queries.all(f"{_VERSIONS} WHERE e.name = :name ORDER BY v.version DESC", name=name)
    if not rows:
        raise no_environment(name)
    return [_version(row) for row in rows]


def everything(queries: Queries) -> list[EnvironmentVersion]:
    return [_version(row) for row in queries.all(f"{_VERSIONS} ORDER BY v.id")]


def version(queries: Queries, name: str, number: int | None) -> EnvironmentVersion:
    """A version of an environment, the newest for None. Raises NotFound where it isn't there."""
    row = queries.one(
        f"{_VERSIONS} WHERE e.name = :name AND (:number IS NULL OR v.version = :number)"
        " ORDER BY v.version DESC LIMIT 1",
        name=name,
        number=number,
    )
    if row is None:
        raise no_environment(name if number is None else f"{name}:{number}")
    return _version(row)


def same(queries: Queries, name: str, digest: str) -> EnvironmentVersion | None:
    """The version of an environment that asks for the same."""
    row = queries.one(
        f"{_VERSIONS} WHERE e.name = :name AND v.digest = :digest", name=name, digest=digest
    )
    return _version(row) if row else None


def insert(transaction: Transaction, name: str, **columns: Any) -> int:
    """Add a version; its number."""
    transaction.execute(
        "INSERT INTO environment (name, created) VALUES (:name, :now)"
        " ON CONFLICT (name) DO NOTHING",
        name=name,
        now=now(),
    )
    transaction.execute(
        "UPDATE environment SET versions = versions + 1 WHERE name = :name", name=name
    )
    row = transaction.one("SELECT id, versions FROM environment WHERE name = :name", name=name)
    assert row is not None
    number = int(row["versions"])
    transaction.insert(
        "environment_version", environment=row["id"], version=number, created=now(), **columns
    )
    transaction.event("environment.registered", name, version=str(number))
    return number


def set_lock(transaction: Transaction, name: str, number: int, lock: Lock) -> None:
    """Keep what a version comes to, where that isn't known yet."""
    transaction.execute(
        "UPDATE environment_version SET lock_json = :lock WHERE lock_json IS NULL"
        " AND version = :number AND environment = (SELECT id FROM environment WHERE name = :name)",
        lock=json.dumps(msgspec.to_builtins(lock)),
        number=number,
        name=name,
    )


def delete(transaction: Transaction, name: str, number: int | None) -> None:
    """Delete a version, all of them for None. The number of one is not given again."""
    transaction.execute(
        "DELETE FROM environment_version WHERE (:number IS NULL OR version = :number)"
        " AND environment = (SELECT id FROM environment WHERE name = :name)",
        name=name,
        number=number,
    )
    transaction.event("environment.deleted", name, version="" if number is None else str(number))


def waiting_runs(queries: Queries, name: str, number: int | None) -> list[str]:
    """The runs that have not ended and are to run in it."""
    rows = queries.all(
        "SELECT r.uid FROM run_environment x JOIN run r ON r.id = x.run WHERE x.name = :name"
        " AND (:number IS NULL OR x.version = :number) AND r.ended IS NULL ORDER BY r.id",
        name=name,
        number=number,
    )
    return [row["uid"] for row in rows]


def bind(transaction: Transaction, run: int, name: str, number: int) -> None:
    """Note which version a run is to run in."""
    transaction.insert("run_environment", run=run, name=name, version=number)


def of_run(queries: Queries, run_id: str) -> Row | None:
    return queries.one(
        "SELECT x.* FROM run_environment x JOIN run r ON r.id = x.run WHERE r.uid = :uid",
        uid=run_id,
    )


def set_record(transaction: Transaction, run_id: str, digest: str, fingerprint: str) -> None:
    """Note what a run was found to run in."""
    transaction.execute(
        "INSERT INTO run_environment (run, digest, fingerprint)"
        " SELECT id, :digest, :fingerprint FROM run WHERE uid = :uid"
        " ON CONFLICT (run) DO UPDATE SET digest = :digest, fingerprint = :fingerprint",
        uid=run_id,
        digest=digest,
        fingerprint=fingerprint,
    )


def digest_of(queries: Queries, fingerprint: str) -> str | None:
    """The record of the run that was last found with a fingerprint."""
    row = queries.one(
        "SELECT digest FROM run_environment WHERE fingerprint = :fingerprint"
        " ORDER BY run DESC LIMIT 1",
        fingerprint=fingerprint,
    )
    return row["digest"] if row else None


def no_environment(what: str) -> NotFound:
    return NotFound(
        f"There is no environment {what}.",
        field="environment",
        hint="`ml-workspace environment list` names those that there are.",
    )


def _version(row: Row) -> EnvironmentVersion:
    lock = row["lock_json"]
    return EnvironmentVersion(
        name=row["name"],
        version=row["version"],
        kind=row["kind"],
        specification=msgspec.json.decode(row["specification_json"], type=Specification),
        digest=row["digest"],
        description=row["description"],
        tags=json.loads(row["tags_json"]),
        environment_variables=json.loads(row["variables_json"]),
        lock=msgspec.json.decode(lock, type=Lock) if lock else None,
        user=row["user"],
        created=row["created"],
    )
