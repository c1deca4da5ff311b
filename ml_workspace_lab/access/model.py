"""Who acts, and what a role lets them do."""

from msgspec import Struct, field

from ml_workspace_lab.api.types import Millis, Name, Text


class Principal(Struct, frozen=True):
    """Somebody who acts: a user, or a run acting for itself.

    `role` names what it may do at most; `actions` narrows that (a token's scope), None not at all;
    `run_id` ties a run's principal to its own run, `attempt` to one attempt at that.
    """

    name: str
    role: str
    actions: tuple[str, ...] | None = None
    run_id: str | None = None
    attempt: int | None = None


class CreateToken(Struct, frozen=True, forbid_unknown_fields=True):
    """`actions` may hold `*` as a whole segment, as in `experiments/*/read`; at most 365 days."""

    name: Name
    actions: list[Text] = field(default_factory=lambda: ["*"])
    days: int = 30


class TokenInfo(Struct, frozen=True):
    token_id: str
    name: str
    actions: list[str]
    created: Millis
    expires: Millis
    last_used: Millis | None


class CreatedToken(Struct, frozen=True):
    """`token` is shown this once: the workspace keeps only its hash."""

    token: str
    info: TokenInfo


class TokenList(Struct, frozen=True):
    items: list[TokenInfo]


class AuditEntry(Struct, frozen=True):
    time: Millis
    principal: str
    action: str
    target: str
    outcome: str
    request_id: str


class AuditList(Struct, frozen=True):
    items: list[AuditEntry]
