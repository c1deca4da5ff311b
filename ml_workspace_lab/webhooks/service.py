"""Webhooks: set up, tried and taken away."""

import json
from ipaddress import ip_network
from typing import Any

import msgspec

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Nothing
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.webhooks import outgoing, payloads, signing, store
from ml_workspace_lab.webhooks.model import (
    AllowedNetworks,
    Attempt,
    CreateWebhook,
    TestWebhook,
    UpdateWebhook,
    Webhook,
    WebhookId,
    WebhookList,
)


class Webhooks(Service):
    """Addresses that are told of what happens in the registry."""

    @operation("GET", "/webhooks", action="webhooks/read")
    def list(self) -> WebhookList:
        """All webhooks, without their secrets."""
        return WebhookList(store.webhooks(self.storage.database))

    @operation("POST", "/webhooks", action="webhooks/write")
    def create(self, body: CreateWebhook) -> Webhook:
        """A webhook that is told of what happens from now on. Raises InvalidInput on an address
        in a private network that is not allowed."""
        outgoing.check(body.url, store.networks(self.storage.database))
        webhook_id = new_id()
        with self.storage.database.write() as transaction:
            store.insert(
                transaction,
                webhook_id,
                name=body.name,
                url=body.url,
                description=body.description,
                events_json=json.dumps(list(dict.fromkeys(body.events))),
                secret=body.secret,
                status=body.status,
            )
        return self.get(webhook_id)

    @operation("GET", "/webhooks/{webhook_id}", action="webhooks/read")
    def get(self, webhook_id: WebhookId) -> Webhook:
        """One webhook, without its secret. Raises NotFound."""
        return store.webhook(self.storage.database, webhook_id)

    @operation("PATCH", "/webhooks/{webhook_id}", action="webhooks/write")
    def update(self, webhook_id: WebhookId, body: UpdateWebhook) -> Webhook:
        """Change what is given. What happens while it is disabled it is not told of later."""
        columns: dict[str, Any] = {
            name: value
            for name, value in msgspec.structs.asdict(body).items()
            if value is not msgspec.UNSET
        }
        if "events" in columns:
            columns["events_json"] = json.dumps(list(dict.fromkeys(columns.pop("events"))))
        if "url" in columns:
            outgoing.check(columns["url"], store.networks(self.storage.database))
        with self.storage.database.write() as transaction:
            present = store.row_of(transaction, webhook_id)
            if columns.get("status") == "active" and present["status"] != "active":
                columns["seen"] = transaction.event("webhook.resumed", webhook_id)
            store.change(transaction, webhook_id, **columns)
        return self.get(webhook_id)

    @operation("DELETE", "/webhooks/{webhook_id}", action="webhooks/write")
    def delete(self, webhook_id: WebhookId) -> Nothing:
        """Take it away, with what it has not been told of yet."""
        with self.storage.database.write() as transaction:
            store.row_of(transaction, webhook_id)
            store.delete(transaction, webhook_id)
        return Nothing()

    @operation("POST", "/webhooks/{webhook_id}/test", action="webhooks/write")
    def test(self, webhook_id: WebhookId, body: TestWebhook) -> Attempt:
        """Tell it of an example now, once; what came of it."""
        row = store.row_of(self.storage.database, webhook_id)
        kind = body.event or json.loads(row["events_json"])[0]
        content = signing.body(kind, now(), payloads.example(kind))
        headers = signing.headers(content, f"test-{new_id()}", row["secret"])
        networks = store.networks(self.storage.database)
        return outgoing.post(row["url"], content, headers, networks)

    @operation("GET", "/webhook-networks", action="webhooks/read")
    def networks(self) -> AllowedNetworks:
        """The private networks that webhooks may be sent to."""
        return AllowedNetworks([str(one) for one in store.networks(self.storage.database)])

    @operation("PUT", "/webhook-networks", action="webhooks/write")
    def allow(self, body: AllowedNetworks) -> AllowedNetworks:
        """Let webhooks call these networks, and no other that is not part of the Internet."""
        try:
            wanted = [ip_network(text) for text in body.networks]
        except ValueError:
            raise InvalidInput(
                f"networks: {shown(', '.join(body.networks))} are not all networks.",
                field="networks",
                hint="Write them like 10.0.0.0/8 or 127.0.0.1/32.",
            ) from None
        with self.storage.database.write() as transaction:
            store.allow(transaction, wanted)
        return self.networks()
