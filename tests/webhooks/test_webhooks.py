"""Webhooks: told of what happens, signed, until they answer; and never into our own network."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.models.model import (
    PROMPT_TAG,
    CreateModel,
    RegisterModel,
    SetAlias,
    UpdateModel,
    UpdateModelVersion,
)
from ml_workspace_lab.services import Services
from ml_workspace_lab.webhooks import delivery, outgoing
from ml_workspace_lab.webhooks.delivery import Deliveries
from ml_workspace_lab.webhooks.model import (
    EVENT_KINDS,
    AllowedNetworks,
    CreateWebhook,
    TestWebhook,
    UpdateWebhook,
    Webhook,
)
from tests.conftest import eventually

LOOPBACK = "127.0.0.0/8"


@dataclass
class Receiver:
    """A server that keeps what it is told, and answers with the statuses it was given first."""

    url: str = ""
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.told]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.told.append((dict(self.headers), body))
            self.send_response(found.statuses.pop(0) if found.statuses else 200)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()
            self.wfile.write(b"thanks")

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook?a=b"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def deliveries(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Deliveries:
    monkeypatch.setattr(delivery, "FIRST_WAIT_MS", 20)
    ws.connection.webhooks.allow(AllowedNetworks([LOOPBACK]))
    return Deliveries(Services(ws.connection.storage))  # type: ignore[attr-defined]


def create(ws: Workspace, url: str, **fields: Any) -> Webhook:
    body = CreateWebhook(**{"name": "hook", "url": url, "events": list(EVENT_KINDS), **fields})
    webhook: Webhook = ws.connection.webhooks.create(body)
    return webhook


def settle(deliveries: Deliveries) -> None:
    """Let everything be told that there is."""
    eventually(lambda: not deliveries.step(), what="nothing waits any more")


def test_a_webhook_is_told_of_what_happens_to_models(
    ws: Workspace, receiver: Receiver, deliveries: Deliveries
) -> None:
    registry, models = ws.connection.registry, ws.connection.models
    registry.create(CreateModel("before"))
    create(ws, receiver.url)
    registry.create(CreateModel("m", "d", {"a": "b"}))
    body = RegisterModel(source="s3://bucket/m", tags={"t": "u"}, description="first")
    models.register("m", body)
    models.update("m", 1, UpdateModelVersion(tags={"k": "v"}))
    models.update("m", 1, UpdateModelVersion(remove_tags=["k"]))
    registry.set_alias("m", "champion", SetAlias(1))
    registry.delete_alias("m", "champion")
    registry.change("m", UpdateModel(tags={"of": "model"}))
    settle(deliveries)
    told = [(one["entity"], one["action"], one["data"]) for one in receiver.bodies]
    assert [(entity, action) for entity, action, _ in told] == [
        ("registered_model", "created"),
        ("model_version", "created"),
        ("model_version_tag", "set"),
        ("model_version_tag", "deleted"),
        ("model_version_alias", "created"),
        ("model_version_alias", "deleted"),
    ]
    assert told[1][2]["source"] == "s3://bucket/m"
    assert told[1][2]["description"] == "first"
    assert told[2][2] == {"name": "m", "version": "1", "key": "k", "value": "v"}
    assert told[4][2] == {"name": "m", "version": "1", "alias": "champion"}


def test_prompts_have_events_of_their_own(
    ws: Workspace, receiver: Receiver, deliveries: Deliveries
) -> None:
    create(ws, receiver.url, events=["prompt.created", "prompt_version.created", "prompt_tag.set"])
    tags = {PROMPT_TAG: "true"}
    ws.connection.registry.create(CreateModel("p", tags=tags))
    text = {**tags, "mlflow.prompt.text": "Hi {{name}}"}
    ws.connection.models.register("p", RegisterModel(source="prompt-template", tags=text))
    ws.connection.registry.change("p", UpdateModel(tags={"k": "v"}))
    settle(deliveries)
    assert [one["entity"] for one in receiver.bodies] == ["prompt", "prompt_version", "prompt_tag"]
    assert receiver.bodies[1]["data"]["template"] == "Hi {{name}}"
    assert receiver.bodies[1]["data"]["tags"] == {}


def test_deliveries_are_signed_and_the_secret_is_never_shown(
    ws: Workspace, receiver: Receiver, deliveries: Deliveries
) -> None:
    made = create(ws, receiver.url, secret="s3cret")
    ws.connection.registry.create(CreateModel("m"))
    settle(deliveries)
    headers, body = receiver.told[0]
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(b"s3cret", signed, hashlib.sha256).digest()).decode()
    assert headers["X-MLflow-Signature"] == f"v1,{digest}"
    answers = (made, ws.connection.webhooks.list(), ws.connection.events.list(0))
    assert "s3cret" not in repr(answers) + repr(ws.connection.audit.list())


def test_what_is_not_taken_is_sent_again_as_the_same_delivery(
    ws: Workspace, receiver: Receiver, deliveries: Deliveries
) -> None:
    made = create(ws, receiver.url)
    receiver.statuses = [500, 302, 429]
    ws.connection.registry.create(CreateModel("m"))
    settle(deliveries)
    assert len(receiver.told) == 4
    assert len({headers["X-MLflow-Delivery-Id"] for headers, _ in receiver.told}) == 1
    assert len({body for _, body in receiver.told}) == 1
    assert ws.connection.webhooks.get(made.webhook_id).waiting == 0


def test_a_receiver_that_never_takes_it_is_given_up(
    ws: Workspace, receiver: Receiver, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MOST_ATTEMPTS", 3)
    made = create(ws, receiver.url)
    receiver.statuses = [500] * 10
    before = ws.connection.events.list().next
    ws.connection.registry.create(CreateModel("m"))
    settle(deliveries)
    assert len(receiver.told) == 3
    events = ws.connection.events.list(before).events
    assert ("webhook.failed", made.webhook_id) in [(one.kind, one.subject) for one in events]


def test_what_was_not_told_before_a_restart_is_told_after(
    ws: Workspace, receiver: Receiver, deliveries: Deliveries
) -> None:
    create(ws, receiver.url)
    ws.connection.registry.create(CreateModel("m"))
    database = ws.connection.storage.database  # type: ignore[attr-defined]
    deliveries._look(database.one("SELECT * FROM webhook"))
    settle(Deliveries(Services(ws.connection.storage)))  # type: ignore[attr-defined]
    assert len(receiver.told) == 1


def test_a_disabled_webhook_is_told_of_nothing(
    ws: Workspace, receiver: Receiver, deliveries: Deliveries
) -> None:
    made = create(ws, receiver.url, status="disabled")
    ws.connection.registry.create(CreateModel("m"))
    settle(deliveries)
    ws.connection.webhooks.update(made.webhook_id, UpdateWebhook(status="active"))
    ws.connection.registry.create(CreateModel("n"))
    settle(deliveries)
    assert [one["data"]["name"] for one in receiver.bodies] == ["n"]


def test_a_webhook_can_be_tried(ws: Workspace, receiver: Receiver, deliveries: Deliveries) -> None:
    made = create(ws, receiver.url)
    for kind in EVENT_KINDS:
        attempt = ws.connection.webhooks.test(made.webhook_id, TestWebhook(kind))
        assert (attempt.success, attempt.status, attempt.body) == (True, 200, "thanks")
    told = [f"{one['entity']}.{one['action']}" for one in receiver.bodies]
    assert told == list(EVENT_KINDS)
    receiver.statuses = [404]
    assert not ws.connection.webhooks.test(made.webhook_id, TestWebhook()).success


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.1.2.3", "169.254.169.254", "192.168.0.1", "0.0.0.0",
     "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "100.64.0.1",
     "2130706433", "127.1", "224.0.0.1"],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_private_network_is_called(scheme: str, host: str) -> None:
    attempt = outgoing.post(f"{scheme}://{host}:1/", b"", {}, [])
    assert not attempt.success
    assert attempt.error is not None
    assert "private network" in attempt.error or "https alone" in attempt.error


def test_the_internet_is_called_over_tls_alone() -> None:
    attempt = outgoing.post("http://8.8.8.8/", b"", {}, [])
    assert attempt.error is not None
    assert "https" in attempt.error


def test_an_allowed_network_is_the_owners_choice(ws: Workspace, receiver: Receiver) -> None:
    with pytest.raises(InvalidInput, match="private network"):
        create(ws, receiver.url)
    ws.connection.webhooks.allow(AllowedNetworks([LOOPBACK, "10.0.0.0/8"]))
    made = create(ws, receiver.url)
    assert ws.connection.webhooks.test(made.webhook_id, TestWebhook()).success
    assert ws.connection.webhooks.networks().networks == ["10.0.0.0/8", LOOPBACK]
    with pytest.raises(InvalidInput):
        ws.connection.webhooks.allow(AllowedNetworks(["10.0.0.1/8"]))
    ws.connection.webhooks.allow(AllowedNetworks())
    refused = ws.connection.webhooks.test(made.webhook_id, TestWebhook())
    assert "private network" in str(refused.error)
    assert len(receiver.told) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.1/x", "private network"),
        ("https://localhost:1/", "private network"),
        ("https://[::1]/", "private network"),
        ("https://127.1/", "private network"),
        ("http://8.8.8.8/", "https alone"),
    ],
)
def test_an_address_that_is_not_to_be_called_is_refused_at_once(
    ws: Workspace, url: str, why: str
) -> None:
    with pytest.raises(InvalidInput, match=f"url: .*{why}") as refusal:
        create(ws, url)
    assert refusal.value.field == "url"
    made = create(ws, "https://intern.example.org/")
    with pytest.raises(InvalidInput, match=why):
        ws.connection.webhooks.update(made.webhook_id, UpdateWebhook(url=url))
    assert [one.url for one in ws.connection.webhooks.list().items] == [made.url]


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org", "file:///etc/passwd", "https://", "https://u:p@host/",
     "https://host:x/", "https://host:99999/", "https://a b/", "javascript:x"],
)  # fmt: skip
def test_what_is_no_address_is_refused(ws: Workspace, url: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        create(ws, url)
    assert refusal.value.field == "url"


def test_webhooks_are_changed_and_taken_away(ws: Workspace) -> None:
    made = create(ws, "https://example.org/a", events=["prompt.created", "prompt.created"])
    assert made.events == ["prompt.created"]
    change = UpdateWebhook(name="other", url="https://example.org/b", events=["prompt_tag.set"])
    changed = ws.connection.webhooks.update(made.webhook_id, change)
    assert (changed.name, changed.url, changed.events) == (
        "other", "https://example.org/b", ["prompt_tag.set"],
    )  # fmt: skip
    ws.connection.webhooks.delete(made.webhook_id)
    with pytest.raises(NotFound):
        ws.connection.webhooks.get(made.webhook_id)
    for fields in ({"events": []}, {"events": ["run.created"]}, {"secret": ""}):
        with pytest.raises(InvalidInput):
            create(ws, "https://example.org/", **fields)
