"""The live stream of events."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import Server
from tests.server.http import PREFIX, Client


@contextmanager
def stream(ask: Client, after: int | None, last_event: int | None = None) -> Iterator[Any]:
    """The batches as they come."""
    parts = urlsplit(ask.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    headers = {"Accept": "text/event-stream", "Authorization": ask.authorization}
    if last_event is not None:
        headers["Last-Event-ID"] = str(last_event)
    query = "" if after is None else f"?after={after}"
    connection.request("GET", f"{parts.path}{PREFIX}/events{query}", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("Content-Type") == "text/event-stream"

    def batches() -> Iterator[Any]:
        while line := answer.readline():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    try:
        yield batches()
    finally:
        connection.close()


def test_a_change_reaches_the_subscriber_and_a_late_one_misses_nothing(
    ask: Client, server: Server
) -> None:
    with stream(ask, None) as batches:
        first = next(batches)
        run = server.local.experiment("streamed").start_logging()
        seen: list[Any] = []
        while not any(event["subject"] == run.id for event in seen):
            seen += next(batches)["events"]
        run.log("loss", 1.0)
        while not any(
            live["run_id"] == run.id and live["metric_bytes"] for live in (next(batches)["live"])
        ):
            pass
    run.complete()
    with stream(ask, None, last_event=first["next"]) as batches:
        missed = [event for event in next(batches)["events"] if event["subject"] == run.id]
    states = [event["data"].get("state") for event in missed if event["kind"] == "run.state"]
    assert states[-1] == "Completed"


def test_each_change_is_one_event_in_its_order(ask: Client, server: Server) -> None:
    before = ask("GET", "/events").json["next"]
    with server.local.experiment("told").start_logging():
        pass
    events = ask("GET", f"/events?after={before}").json["events"]
    told = [(event["kind"], event["data"].get("state")) for event in events]
    assert told == [
        ("experiment.created", None),
        ("run.created", "NotStarted"),
        ("run.state", "Running"),
        ("run.state", "Completed"),
    ]
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})
