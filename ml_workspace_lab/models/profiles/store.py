"""How profiles of versions are kept."""

import msgspec

from ml_workspace_lab.models.profiles.model import Measured, Profile
from ml_workspace_lab.storage.database import Queries, Transaction, now


def find(queries: Queries, name: str, number: int) -> Profile | None:
    row = queries.one(
        "SELECT p.*, m.name FROM model_profile p JOIN model m ON m.id = p.model"
        " WHERE m.name = :name AND p.version = :number",
        name=name,
        number=number,
    )
    if row is None:
        return None
    return Profile(
        name=row["name"],
        version=row["version"],
        content=row["content"],
        measured=msgspec.json.decode(row["measured_json"], type=Measured),
        created=row["created"],
        user=row["user"],
    )


def put(
    transaction: Transaction, name: str, number: int, content: str, measured: Measured, user: str
) -> None:
    """Keep a profile in place of the one that there is."""
    transaction.execute(
        'INSERT INTO model_profile (model, version, content, measured_json, "user", created)'
        " VALUES ((SELECT id FROM model WHERE name = :name), :number, :content, :measured, :user,"
        " :now) ON CONFLICT (model, version) DO UPDATE SET content = excluded.content,"
        ' measured_json = excluded.measured_json, "user" = excluded."user",'
        " created = excluded.created",
        name=name,
        number=number,
        content=content,
        measured=msgspec.json.encode(measured).decode(),
        user=user,
        now=now(),
    )
    transaction.event("model.profiled", name, version=str(number))
