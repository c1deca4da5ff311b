"""How decisions to trust versions are kept."""

from typing import TYPE_CHECKING

from ml_workspace_lab.storage.database import Queries, Row, Transaction, now

if TYPE_CHECKING:
    from ml_workspace_lab.models.trust import TrustDecision

_DECISIONS = "SELECT t.*, m.name FROM model_trust t JOIN model m ON m.id = t.model"


def decisions(queries: Queries) -> "list[TrustDecision]":
    rows = queries.all(f"{_DECISIONS} ORDER BY t.created DESC, m.name, t.version")
    return [_decision(row) for row in rows]


def decision(queries: Queries, name: str, number: int) -> "TrustDecision | None":
    row = queries.one(
        f"{_DECISIONS} WHERE m.name = :name AND t.version = :number", name=name, number=number
    )
    return _decision(row) if row else None


def put(
    transaction: Transaction, name: str, number: int, digest: str, user: str, note: str
) -> None:
    transaction.execute(
        'INSERT INTO model_trust (model, version, digest, "user", note, created)'
        " VALUES ((SELECT id FROM model WHERE name = :name), :number, :digest, :user, :note, :now)"
        " ON CONFLICT (model, version) DO UPDATE SET digest = excluded.digest,"
        ' "user" = excluded."user", note = excluded.note, created = excluded.created',
        name=name,
        number=number,
        digest=digest,
        user=user,
        note=note,
        now=now(),
    )
    transaction.event("model.trusted", name, version=str(number), content=digest, user=user)


def delete(transaction: Transaction, name: str, number: int) -> None:
    transaction.execute(
        "DELETE FROM model_trust"
        " WHERE version = :number AND model = (SELECT id FROM model WHERE name = :name)",
        number=number,
        name=name,
    )
    transaction.event("model.untrusted", name, version=str(number))


def _decision(row: Row) -> "TrustDecision":
    from ml_workspace_lab.models.trust import TrustDecision

    return TrustDecision(
        name=row["name"],
        version=row["version"],
        content=row["digest"],
        user=row["user"],
        created=row["created"],
        note=row["note"],
    )
