"""How endpoints are kept."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

import msgspec

from ml_workspace_lab.endpoints.model import EndpointInfo, EndpointState, RequestSettings, ServedBy
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.storage.database import Database, Row, Transaction, now


@dataclass(frozen=True)
class Wanted:
    """An endpoint as it should be; `generation` grows with each deployment. It starts anywhere, so
    that processes of a deleted endpoint or workspace are not taken for those of its successor."""

    info: EndpointInfo
    generation: int
    python: str | None
    variables: dict[str, str]
    primary_hash: bytes
    secondary_hash: bytes


def endpoints(database: Database) -> list[Wanted]:
    return [_wanted(row) for row in database.all("SELECT * FROM endpoint ORDER BY name")]


def find(database: Database, name: str) -> Wanted | None:
    row = database.one("SELECT * FROM endpoint WHERE name = :name", name=name)
    return _wanted(row) if row else None


def get(database: Database, name: str) -> Wanted:
    found = find(database, name)
    if found is None:
        raise NotFound(
            f"There is no endpoint {name!r}.",
            field="name",
            hint="`ml-workspace endpoint` lists what there is.",
        )
    return found


def insert(transaction: Transaction, name: str, **values: Any) -> None:
    transaction.insert(
        "endpoint",
        name=name,
        generation=1 + secrets.randbelow(2**30),
        state=EndpointState.CREATING,
        reason="",
        created=now(),
        updated=now(),
        **values,
    )
    transaction.event("endpoint.created", name)


def update(transaction: Transaction, name: str, **values: Any) -> None:
    """Ask for another deployment; its predecessor serves until it is ready."""
    changes = ", ".join(f'"{column}" = :{column}' for column in values)
    transaction.execute(
        f"UPDATE endpoint SET {changes}, generation = generation + 1, state = :state,"
        " reason = '', restarts = 0, updated = :now WHERE name = :name",
        name=name,
        state=EndpointState.CREATING,
        now=now(),
        **values,
    )
    transaction.event("endpoint.updated", name)


def set_state(
    database: Database, name: str, generation: int, state: EndpointState, reason: str
) -> None:
    """Note how it is; nothing where another deployment has been asked for meanwhile."""
    with database.write() as transaction:
        changed = transaction.execute(
            "UPDATE endpoint SET state = :state, reason = :reason WHERE name = :name"
            " AND generation = :generation",
            state=state,
            reason=reason,
            name=name,
            generation=generation,
        )
        if changed.rowcount:
            transaction.event("endpoint.state", name, state=state)


def set_served_by(database: Database, name: str, generation: int, found: ServedBy) -> None:
    """Note what answers; nothing where another deployment has been asked for meanwhile."""
    with database.write() as transaction:
        transaction.execute(
            "UPDATE endpoint SET served_json = :found WHERE name = :name"
            " AND generation = :generation",
            found=msgspec.json.encode(found).decode(),
            name=name,
            generation=generation,
        )
        transaction.event("endpoint.engine", name, engine=found.engine)


def count_restart(database: Database, name: str) -> None:
    with database.write() as transaction:
        transaction.execute(
            "UPDATE endpoint SET restarts = restarts + 1 WHERE name = :name", name=name
        )


def set_key(transaction: Transaction, name: str, column: str, hashed: bytes) -> None:
    assert column in ("primary_hash", "secondary_hash")
    transaction.execute(
        f'UPDATE endpoint SET "{column}" = :hash WHERE name = :name', hash=hashed, name=name
    )


def delete(transaction: Transaction, name: str) -> None:
    transaction.execute("DELETE FROM endpoint WHERE name = :name", name=name)
    transaction.event("endpoint.deleted", name)


def _wanted(row: Row) -> Wanted:
    variables = json.loads(row["variables_json"])
    address = f"http://127.0.0.1:{row['port']}"
    info = EndpointInfo(
        name=row["name"],
        model=row["model"],
        model_version=row["version"],
        state=EndpointState(row["state"]),
        reason=row["reason"],
        port=row["port"],
        scoring_uri=f"{address}/score",
        openapi_uri=f"{address}/openapi.json",
        scoring_script=row["scoring_script"],
        created=row["created"],
        updated=row["updated"],
        user=row["user"],
        restarts=row["restarts"],
        tags=json.loads(row["tags_json"]),
        environment_variables=sorted(variables),
        request_settings=msgspec.json.decode(row["settings_json"], type=RequestSettings),
        engine=row["engine"],
        providers=json.loads(row["providers_json"]),
        served_by=_served_by(row["served_json"]),
    )
    return Wanted(
        info,
        row["generation"],
        row["python"],
        variables,
        row["primary_hash"],
        row["secondary_hash"],
    )


def _served_by(text: str | None) -> ServedBy | None:
    return None if text is None else msgspec.json.decode(text, type=ServedBy)
