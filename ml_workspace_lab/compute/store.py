"""How compute targets are kept."""

import json
from typing import Any

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.types import Millis
from ml_workspace_lab.compute.model import Problem, Quotas
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now


class Target(Struct, frozen=True):
    """The record of a compute target."""

    name: str
    kind: str
    description: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    problems: list[Problem] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    workspace_url: str | None = None
    user: str | None = None
    created: Millis | None = None
    updated: Millis | None = None


def targets(queries: Queries) -> list[Target]:
    return [_target(row) for row in queries.all("SELECT * FROM compute_target ORDER BY id")]


def find(queries: Queries, name: str) -> Target | None:
    row = queries.one("SELECT * FROM compute_target WHERE name = :name", name=name)
    return _target(row) if row else None


def put(transaction: Transaction, target: Target, user: str) -> None:
    """Add a target, or replace what is kept of the one of that name but its maker."""
    columns = {
        "kind": target.kind,
        "description": target.description,
        "settings_json": _text(target.settings),
        "quotas_json": _text(target.quotas),
        "problems_json": _text(target.problems),
        "tags_json": _text(target.tags),
        "workspace_url": target.workspace_url,
        "updated": now(),
    }
    settings = ", ".join(f"{name} = :{name}" for name in columns)
    updated = transaction.execute(
        f"UPDATE compute_target SET {settings} WHERE name = :name", **columns, name=target.name
    )
    if updated.rowcount == 0:
        transaction.insert("compute_target", name=target.name, user=user, created=now(), **columns)
    transaction.event("compute.updated", target.name)


def set_problems(transaction: Transaction, name: str, problems: list[Problem]) -> None:
    transaction.execute(
        "UPDATE compute_target SET problems_json = :problems WHERE name = :name",
        problems=_text(problems),
        name=name,
    )
    transaction.event("compute.updated", name)


def remove(transaction: Transaction, name: str) -> None:
    transaction.execute("DELETE FROM compute_target WHERE name = :name", name=name)
    transaction.event("compute.detached", name)


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _target(row: Row) -> Target:
    return Target(
        name=row["name"],
        kind=row["kind"],
        description=row["description"],
        settings=json.loads(row["settings_json"]),
        quotas=msgspec.json.decode(row["quotas_json"], type=Quotas),
        problems=msgspec.json.decode(row["problems_json"], type=list[Problem]),
        tags=json.loads(row["tags_json"]),
        workspace_url=row["workspace_url"],
        user=row["user"],
        created=row["created"],
        updated=row["updated"],
    )
