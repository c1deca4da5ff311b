"""Tokens for clients outside this machine's account."""

import builtins
import hashlib
import hmac
import secrets
import zlib
from collections.abc import Sequence
from contextlib import suppress

from ml_workspace_lab.access import store
from ml_workspace_lab.access.authorize import allows
from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.access.model import (
    CreatedToken,
    CreateToken,
    Principal,
    TokenInfo,
    TokenList,
)
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Nothing, RunId
from ml_workspace_lab.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    StorageFull,
    Unavailable,
)
from ml_workspace_lab.storage.database import hardly_waiting, now

DAY = 24 * 60 * 60 * 1000
TOUCH_INTERVAL = 60_000
RUN_TOKEN_GRACE = 15 * 60 * 1000
REPLAY_GRACE = 7 * DAY
ATTEMPT_DAYS = 400
CLAIM = "experiments/runs/claim/action"
ATTEMPT = "experiments/runs/attempt/action"


class Tokens(Service):
    """Tokens that let a client act from elsewhere; only their hashes are kept."""

    @operation("POST", "/tokens", action="tokens/write")
    def create(self, body: CreateToken) -> CreatedToken:
        """A new token, shown this once. It can do no more than its maker. At most 365 days."""
        if not 1 <= body.days <= 365:
            raise InvalidInput("days: must lie between 1 and 365.", field="days")
        for action in body.actions:
            if not allows(caller(), action):
                raise Denied(f"You can't give away {action}: you do not hold it yourself.")
        token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        created = now()
        info = TokenInfo(
            token_id, body.name, body.actions, created, created + body.days * DAY, None
        )
        store.add_token(self.storage.database, info, _hash(secret))
        return CreatedToken(_spell(token_id, secret), info)

    @operation("POST", "/runs/{run_id}/token", action="experiments/runs/write")
    def create_for_run(self, run_id: RunId) -> CreatedToken:
        """A token with the rights of a run: to itself and to the runs that it starts. It ends soon
        after the run does. One that an attempt asks for at its own run is that attempt's, too."""
        run = self.services.runs.get(run_id)
        if run.state.is_terminal:
            raise Conflict(f"Run {run_id} has ended: {run.state}.", field="run_id")
        token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        created = now()
        info = TokenInfo(token_id, f"run {run_id}", ["*"], created, created + 30 * DAY, None)
        who = caller()
        attempt = who.attempt if who.run_id == run_id else None
        store.add_token(self.storage.database, info, _hash(secret), run_id, attempt)
        return CreatedToken(_spell(token_id, secret, "run"), info)

    def create_ticket(self, run_id: str, attempt: int) -> str:
        """A token that is good for claiming an attempt, and for nothing else."""
        return self._add_for_attempt(run_id, attempt, [CLAIM])

    def create_for_attempt(self, run_id: str, attempt: int) -> str:
        """The token of the process that has claimed an attempt: the rights of the run, and to what
        its runner does. One that was made before, and may have got lost on its way, is no more."""
        store.delete_tokens(self.storage.database, run_id, attempt, ["*"])
        return self._add_for_attempt(run_id, attempt, ["*"])

    def _add_for_attempt(self, run_id: str, attempt: int, actions: builtins.list[str]) -> str:
        token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        name, created = f"run {run_id}, attempt {attempt}", now()
        expires = created + ATTEMPT_DAYS * DAY
        info = TokenInfo(token_id, name, actions, created, expires, None)
        store.add_token(self.storage.database, info, _hash(secret), run_id, attempt)
        return _spell(token_id, secret, "run")

    @operation("GET", "/tokens", action="tokens/read")
    def list(self) -> TokenList:
        """All tokens, without their secrets."""
        return TokenList(store.tokens(self.storage.database))

    @operation("DELETE", "/tokens/{token_id}", action="tokens/delete")
    def revoke(self, token_id: str) -> Nothing:
        """The token stops working at once."""
        if not store.delete_token(self.storage.database, token_id):
            raise NotFound(f"There is no token {token_id}.", field="token_id")
        return Nothing()

    def principal(self, token: str) -> Principal | None:
        """Whom the token speaks for, None where it is none of ours, revoked or over."""
        token_id, secret = _parse(token)
        found = store.token(self.storage.database, token_id)
        if found is None:
            return None
        info, hashed, run_id, attempt = found
        if not hmac.compare_digest(hashed, _hash(secret)) or info.expires <= now():
            return None
        actions = None
        if run_id is not None:
            actions = self._actions(run_id, attempt, info.actions)
            if actions is None:
                return None
        if info.last_used is None or info.last_used + TOUCH_INTERVAL < now():
            # Who comes in may want to read, or to make room; the next one is noted.
            with suppress(StorageFull, Unavailable), hardly_waiting(0):
                store.touch_token(self.storage.database, token_id)
        if run_id is None:
            return Principal(name=f"token:{info.name}", role="Owner", actions=tuple(info.actions))
        return Principal(f"token:{info.name}", "Run", actions, run_id, attempt)

    def _actions(
        self, run_id: str, attempt: int | None, given: Sequence[str]
    ) -> tuple[str, ...] | None:
        """What a run's token can do now, None where that is over. Raises Gone where another attempt
        was begun."""
        try:
            ended = self.services.runs.get(run_id).ended
        except NotFound:
            return None
        silent = attempt is not None and self.services.attempts.is_silent(run_id, attempt)
        if ended is None or ended + RUN_TOKEN_GRACE > now():
            return tuple(given)
        # Its runner was given up for lost: what that still has to tell is taken.
        return (ATTEMPT,) if silent and ended + REPLAY_GRACE > now() else None


def _hash(secret: str) -> bytes:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).digest()


def _spell(token_id: str, secret: str, kind: str = "user") -> str:
    """Prefix and checksum let scanners of leaked secrets recognise one."""
    body = f"mlws_{kind}_{token_id}_{secret}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def _parse(token: str) -> tuple[str, str]:
    body, _, checksum = token.rpartition("_")
    parts = body.split("_", 3)
    if len(parts) != 4 or f"{zlib.crc32(body.encode()):08x}" != checksum:
        return "", ""
    return parts[2], parts[3]
