"""How webhooks and their deliveries are kept."""

import json
from ipaddress import ip_network
from typing import Any

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.webhooks.model import Network, Webhook

_WEBHOOKS = """
SELECT w.*, (SELECT count(*) FROM webhook_delivery d WHERE d.webhook = w.id) AS waiting
FROM webhook w
"""


def webhooks(queries: Queries) -> list[Webhook]:
    """All webhooks, the oldest first."""
    return [_webhook(row) for row in queries.all(f"{_WEBHOOKS} ORDER BY w.id")]


def row_of(queries: Queries, webhook_id: str) -> Row:
    row = queries.one(f"{_WEBHOOKS} WHERE w.uid = :uid", uid=webhook_id)
    if row is None:
        raise NotFound(f"Webhook with ID {webhook_id} not found.", field="webhook_id")
    return row


def webhook(queries: Queries, webhook_id: str) -> Webhook:
    return _webhook(row_of(queries, webhook_id))


def insert(transaction: Transaction, uid: str, **columns: Any) -> None:
    """Add a webhook, which is told of what happens from now on."""
    newest = transaction.event("webhook.created", uid)
    transaction.insert("webhook", uid=uid, seen=newest, created=now(), updated=now(), **columns)


def change(transaction: Transaction, uid: str, **columns: Any) -> None:
    """Set columns of a webhook. Their names are the caller's own words."""
    settings = ", ".join(f"{name} = :{name}" for name in [*columns, "updated"])
    transaction.execute(
        f"UPDATE webhook SET {settings} WHERE uid = :uid", **columns, updated=now(), uid=uid
    )
    transaction.event("webhook.updated", uid)


def delete(transaction: Transaction, uid: str) -> None:
    transaction.execute("DELETE FROM webhook WHERE uid = :uid", uid=uid)
    transaction.event("webhook.deleted", uid)


def networks(queries: Queries) -> list[Network]:
    """Networks that may be called though they are no part of the Internet."""
    rows = queries.all("SELECT network FROM webhook_network ORDER BY network")
    return [ip_network(row["network"]) for row in rows]


def allow(transaction: Transaction, wanted: list[Network]) -> None:
    transaction.execute("DELETE FROM webhook_network")
    transaction.many(
        "INSERT INTO webhook_network (network) VALUES (:network)",
        [{"network": network} for network in sorted({str(network) for network in wanted})],
    )
    transaction.event("webhook.networks", "webhooks")


def behind(queries: Queries) -> list[Row]:
    """Active webhooks for whom there are events that were not looked at."""
    return queries.all(
        "SELECT * FROM webhook WHERE status = 'active' AND seen <"
        " (SELECT coalesce(max(id), 0) FROM event)"
    )


def events(queries: Queries, after: int, limit: int) -> list[Row]:
    return queries.all(
        "SELECT * FROM event WHERE id > :after ORDER BY id LIMIT :limit", after=after, limit=limit
    )


def enqueue(
    transaction: Transaction, row: Row, seen: int, waiting: list[tuple[int, str, str]]
) -> None:
    """Note what a webhook is to be told of (event, kind, payload), and how far that goes."""
    transaction.many(
        "INSERT INTO webhook_delivery (webhook, event, kind, payload_json, due)"
        " VALUES (:webhook, :event, :kind, :payload, :due)",
        [
            {"webhook": row["id"], "event": event, "kind": kind, "payload": text, "due": now()}
            for event, kind, text in waiting
        ],
    )
    transaction.execute("UPDATE webhook SET seen = :seen WHERE id = :id", seen=seen, id=row["id"])


def due(queries: Queries, limit: int, longest: int) -> list[Row]:
    """Deliveries to make now, each webhook's oldest first, with what the webhook says. No pause is
    longer than `longest` ms: where one seems to be, the clock was put back."""
    return queries.all(
        "SELECT d.*, w.url, w.secret, w.uid FROM webhook_delivery d JOIN webhook w"
        " ON w.id = d.webhook WHERE (d.due <= :now OR d.due > :latest) AND w.status = 'active'"
        " ORDER BY d.id LIMIT :limit",
        now=now(),
        latest=now() + longest,
        limit=limit,
    )


def is_waiting(queries: Queries) -> bool:
    row = queries.one(
        "SELECT 1 AS found FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook"
        " WHERE w.status = 'active' LIMIT 1"
    )
    return row is not None


def done(transaction: Transaction, delivery: Row) -> None:
    transaction.execute("DELETE FROM webhook_delivery WHERE id = :id", id=delivery["id"])


def postpone(transaction: Transaction, delivery: Row, milliseconds: int) -> None:
    transaction.execute(
        "UPDATE webhook_delivery SET attempts = attempts + 1, due = :due WHERE id = :id",
        due=now() + milliseconds,
        id=delivery["id"],
    )


def _webhook(row: Row) -> Webhook:
    return Webhook(
        webhook_id=row["uid"],
        name=row["name"],
        url=row["url"],
        description=row["description"],
        events=json.loads(row["events_json"]),
        status=row["status"],
        created=row["created"],
        updated=row["updated"],
        waiting=row["waiting"],
    )
