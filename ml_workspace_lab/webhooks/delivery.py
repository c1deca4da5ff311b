"""Telling webhooks of what happened: from the event log, in the background, until they answer."""

import json
import random
import threading
from typing import TYPE_CHECKING

from ml_workspace_lab.storage.database import Row
from ml_workspace_lab.trouble import kept_apart
from ml_workspace_lab.webhooks import outgoing, payloads, signing, store

if TYPE_CHECKING:
    from ml_workspace_lab.services import Services

MOST_ATTEMPTS = 8
FIRST_WAIT_MS = 1000
LONGEST_WAIT_MS = 600_000
AT_ONCE = 200


class Deliveries:
    """The part of the background process that tells webhooks. Calls are made in a thread of its
    own, so that a slow receiver holds up nobody but other receivers."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._thread: threading.Thread | None = None

    def step(self) -> bool:
        """See what is to be told, and have it told; whether something is still waiting."""
        database = self._services.storage.database
        for row in store.behind(database):
            self._look(row)
        waiting = store.is_waiting(database)
        if (
            waiting
            and not (self._thread and self._thread.is_alive())
            and store.due(database, 1, LONGEST_WAIT_MS)
        ):
            self._thread = threading.Thread(target=self._tell, name="webhooks", daemon=True)
            self._thread.start()
        return waiting

    def _look(self, row: Row) -> None:
        """Queue what is new for a webhook, with how far it has been looked at."""
        database = self._services.storage.database
        wanted = json.loads(row["events_json"])
        events = store.events(database, row["seen"], AT_ONCE)
        waiting = []
        for event in events:
            data = json.loads(event["data_json"])
            told = payloads.told(self._services, event["kind"], event["subject"], data)
            if told is not None and told.kind in wanted:
                payload = signing.body(told.kind, event["time"], told.data).decode()
                waiting.append((event["id"], told.kind, payload))
        with database.write() as transaction:
            store.enqueue(transaction, row, events[-1]["id"], waiting)

    def _tell(self) -> None:
        database = self._services.storage.database
        with kept_apart("Webhooks"):
            for delivery in store.due(database, AT_ONCE, LONGEST_WAIT_MS):
                self._deliver(delivery)
        database.close()

    def _deliver(self, delivery: Row) -> None:
        database = self._services.storage.database
        content = delivery["payload_json"].encode()
        name = f"{delivery['uid']}-{delivery['event']}"
        headers = signing.headers(content, name, delivery["secret"])
        attempt = outgoing.post(delivery["url"], content, headers, store.networks(database))
        attempts = delivery["attempts"] + 1
        with database.write() as transaction:
            if attempt.success:
                store.done(transaction, delivery)
            elif attempts < MOST_ATTEMPTS:
                store.postpone(transaction, delivery, wait_ms(attempts))
            else:
                store.done(transaction, delivery)
                reason = attempt.error or f"HTTP status {attempt.status}"
                transaction.event("webhook.failed", delivery["uid"], reason=reason)


def wait_ms(attempts: int) -> int:
    """How long to wait after so many attempts: twice as long each time, and not all at once."""
    whole: int = min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempts - 1))
    return whole // 2 + random.randrange(whole // 2 + 1)  # noqa: S311 - only spread in time
