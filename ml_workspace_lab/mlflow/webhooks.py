"""The calls about webhooks."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import InvalidInput, NotFound, shown
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.webhooks.model import (
    EVENT_KINDS,
    CreateWebhook,
    EventKind,
    Status,
    TestWebhook,
    UpdateWebhook,
    Webhook,
)

_STATUS: dict[str, Status] = {"ACTIVE": "active", "DISABLED": "disabled"}


class Event(Struct):
    entity: str
    action: str


class Create(Struct):
    name: str
    url: str
    events: list[Event]
    description: str = ""
    secret: str | None = None
    status: str = "ACTIVE"


class Change(Struct):
    name: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    events: list[Event] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    secret: str | UnsetType = UNSET
    status: str | UnsetType = UNSET


class Try(Struct):
    event: Event | None = None


class Page(Struct):
    max_results: int = 100
    page_token: str | None = None


def create(request: Request) -> Response:
    call = body(request, Create)
    _check_url(call.url)
    made = request.connection.webhooks.create(
        CreateWebhook(
            name=call.name,
            url=call.url,
            events=[_kind(event) for event in call.events],
            description=call.description,
            secret=call.secret or None,
            status=_status(call.status),
        )
    )
    return answer(webhook=_shown(made))


def _check_url(url: str) -> None:
    """Raise InvalidInput in the words that clients look for."""
    if not url.strip():
        raise InvalidInput(f"Webhook URL cannot be empty or just whitespace: {url!r}", field="url")
    scheme = url.partition("://")[0]
    if scheme not in ("http", "https"):
        raise InvalidInput(
            f"Invalid webhook URL scheme: {shown(scheme)}. Allowed schemes are: https,"
            " and http in networks that an Owner has allowed for webhooks.",
            field="url",
        )
    try:
        urlsplit(url)
    except ValueError as error:
        raise InvalidInput(f"Invalid webhook URL {shown(url)}: {error}", field="url") from None


def list_all(request: Request) -> Response:
    """One page; its token is the id of the last webhook on it."""
    call = body(request, Page)
    if not 1 <= call.max_results <= 1000:
        raise InvalidInput("max_results must be between 1 and 1000.", field="max_results")
    found = request.connection.webhooks.list().items
    ids = [one.webhook_id for one in found]
    if call.page_token and call.page_token not in ids:
        raise InvalidInput("page_token: is none of this list.", field="page_token")
    begin = ids.index(call.page_token) + 1 if call.page_token else 0
    page = found[begin : begin + call.max_results]
    more = begin + len(page) < len(found)
    token = page[-1].webhook_id if more else None
    return answer(webhooks=[_shown(one) for one in page], next_page_token=token)


def get(request: Request) -> Response:
    return answer(webhook=_shown(_find(request)))


def update(request: Request) -> Response:
    call = body(request, Change)
    given = msgspec.structs.asdict(call)
    changes: dict[str, Any] = {
        name: value for name, value in given.items() if value is not UNSET and value != []
    }
    if "url" in changes:
        _check_url(changes["url"])
    if call.events:
        changes["events"] = [_kind(event) for event in call.events]
    if "status" in changes:
        changes["status"] = _status(changes["status"])
    if changes.get("secret") == "":
        changes["secret"] = None
    changed = request.connection.webhooks.update(
        _find(request).webhook_id, UpdateWebhook(**changes)
    )
    return answer(webhook=_shown(changed))


def delete(request: Request) -> Response:
    request.connection.webhooks.delete(_find(request).webhook_id)
    return NOTHING


def test(request: Request) -> Response:
    event = body(request, Try).event
    wanted = TestWebhook(_kind(event) if event else None)
    attempt = request.connection.webhooks.test(_find(request).webhook_id, wanted)
    result: dict[str, Any] = {"success": attempt.success}
    if attempt.error is not None:
        result["error_message"] = attempt.error
    else:
        result |= {"response_status": attempt.status, "response_body": attempt.body}
    return answer(result=result)


def _find(request: Request) -> Webhook:
    return find(request.connection, request.path["webhook_id"])


def find(connection: LocalConnection, webhook_id: str) -> Webhook:
    try:
        found: Webhook = connection.webhooks.get(webhook_id)
    except (NotFound, InvalidInput):  # An id that no webhook can have is none's.
        raise NotFound(f"Webhook with ID {webhook_id} not found.", field="webhook_id") from None
    return found


def _kind(event: Event) -> EventKind:
    wanted = f"{event.entity}.{event.action}".lower()
    for kind in EVENT_KINDS:
        if kind == wanted:
            return kind
    raise InvalidInput(
        f"events: there are no events {wanted[:80]!r}.",
        field="events",
        hint=f"There are {', '.join(EVENT_KINDS)}.",
    )


def _status(word: str) -> Status:
    if word not in _STATUS:
        raise InvalidInput(f"status: is none of {', '.join(_STATUS)}.", field="status")
    return _STATUS[word]


def _shown(one: Webhook) -> dict[str, Any]:
    events = (kind.upper().split(".") for kind in one.events)
    return {
        "webhook_id": one.webhook_id,
        "name": one.name,
        "url": one.url,
        "description": one.description,
        "events": [{"entity": entity, "action": action} for entity, action in events],
        "status": one.status.upper(),
        "creation_timestamp": one.created,
        "last_updated_timestamp": one.updated,
    }


_ONE = r"webhooks/(?P<webhook_id>[^/]+)"
CALLS = (
    ("POST", "webhooks", create),
    ("GET", "webhooks", list_all),
    ("GET", _ONE, get),
    ("PATCH", _ONE, update),
    ("DELETE", _ONE, delete),
    ("POST", f"{_ONE}/test", test),
)
