"""What a webhook is: an address that is told of what happens in the registry."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ml_workspace_lab.api.types import Millis, Name, Text, text_like

Network = IPv4Network | IPv6Network
WebhookId = Annotated[str, text_like(r"^[0-9a-f]{32}$(?!\n)", "is not an id: 32 digits 0-9, a-f")]
Status = Literal["active", "disabled"]
EventKind = Literal[
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
    "prompt.created",
    "prompt_version.created",
    "prompt_tag.set",
    "prompt_tag.deleted",
    "prompt_version_tag.set",
    "prompt_version_tag.deleted",
    "prompt_alias.created",
    "prompt_alias.deleted",
]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)

Url = Annotated[
    str,
    text_like(
        r"^https?://[^\s\x00-\x1f]+$(?!\n)",
        "must begin with https://, or with http:// in a network that webhooks are allowed to call",
        max_length=2048,
    ),
]
Secret = Annotated[str, Meta(min_length=1, max_length=1000)]
Events = Annotated[list[EventKind], Meta(min_length=1)]


class Webhook(Struct, frozen=True):
    """An address and what it is told of. Its secret is never shown again."""

    webhook_id: str
    name: str
    url: str
    description: str
    events: list[EventKind]
    status: Status
    created: Millis
    updated: Millis
    waiting: int
    """Deliveries that have not been made yet."""


class WebhookList(Struct, frozen=True):
    items: list[Webhook]


class CreateWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    """Where `secret` is given, deliveries are signed with it."""

    name: Name
    url: Url
    events: Events
    description: Text = ""
    secret: Secret | None = None
    status: Status = "active"


class UpdateWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; `events` are replaced whole."""

    name: Name | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    secret: Secret | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET


class TestWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of its events to try, the first where none is named."""

    event: EventKind | None = None


class Attempt(Struct, frozen=True):
    """What came of a delivery: the status and the beginning of the answer, or what went wrong."""

    success: bool
    status: int | None = None
    body: str = ""
    error: str | None = None


class AllowedNetworks(Struct, frozen=True, forbid_unknown_fields=True):
    """Networks such as `10.0.0.0/8` that webhooks may call though they are no part of the
    Internet; without TLS, too."""

    networks: list[Text] = field(default_factory=list)
