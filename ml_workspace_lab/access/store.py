"""How tokens and the audit trail are kept."""

import json

from ml_workspace_lab.access.model import AuditEntry, TokenInfo
from ml_workspace_lab.storage.database import Database, Row, now


def add_audit(
    database: Database, *, principal: str, action: str, target: str, outcome: str, request_id: str
) -> None:
    with database.write(durable=False, frees=True) as transaction:
        transaction.insert(
            "audit",
            time=now(),
            principal=principal,
            action=action,
            target=target,
            outcome=outcome,
            request_id=request_id,
        )


def audit(database: Database, before: int | None, limit: int) -> list[AuditEntry]:
    rows = database.all(
        "SELECT * FROM audit WHERE id < coalesce(:before, 9223372036854775807)"
        " ORDER BY id DESC LIMIT :limit",
        before=before,
        limit=limit,
    )
    return [
        AuditEntry(
            row["time"],
            row["principal"],
            row["action"],
            row["target"],
            row["outcome"],
            row["request_id"],
        )
        for row in rows
    ]


def add_token(
    database: Database,
    info: TokenInfo,
    hashed: bytes,
    run_id: str | None = None,
    attempt: int | None = None,
) -> None:
    with database.write() as transaction:
        transaction.insert(
            "token",
            uid=info.token_id,
            name=info.name,
            hash=hashed,
            actions_json=json.dumps(info.actions),
            created=info.created,
            expires=info.expires,
            run=run_id,
            attempt=attempt,
        )


def tokens(database: Database) -> list[TokenInfo]:
    return [_token(row) for row in database.all("SELECT * FROM token ORDER BY id")]


def token(
    database: Database, token_id: str
) -> tuple[TokenInfo, bytes, str | None, int | None] | None:
    """A token with the hash of its secret, the run whose rights it carries and the attempt that it
    is for, if any."""
    row = database.one("SELECT * FROM token WHERE uid = :uid", uid=token_id)
    return (_token(row), row["hash"], row["run"], row["attempt"]) if row else None


def delete_tokens(database: Database, run_id: str, attempt: int, actions: list[str]) -> None:
    """Those of an attempt that can do just this."""
    with database.write(frees=True) as transaction:
        transaction.execute(
            "DELETE FROM token WHERE run = :run AND attempt = :attempt AND actions_json = :actions",
            run=run_id,
            attempt=attempt,
            actions=json.dumps(actions),
        )


def touch_token(database: Database, token_id: str) -> None:
    with database.write(durable=False) as transaction:
        transaction.execute(
            "UPDATE token SET last_used = :now WHERE uid = :uid", now=now(), uid=token_id
        )


def delete_token(database: Database, token_id: str) -> bool:
    with database.write(frees=True) as transaction:
        deleted = transaction.execute("DELETE FROM token WHERE uid = :uid", uid=token_id).rowcount
    return deleted > 0


def _token(row: Row) -> TokenInfo:
    return TokenInfo(
        token_id=row["uid"],
        name=row["name"],
        actions=json.loads(row["actions_json"]),
        created=row["created"],
        expires=row["expires"],
        last_used=row["last_used"],
    )
