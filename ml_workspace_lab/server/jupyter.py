"""The handlers inside a Jupyter server: its login, its checks, its authorizer."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from jupyter_server.auth import User
from jupyter_server.base.handlers import APIHandler

from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.errors import Denied
from ml_workspace_lab.server.answering import Answering
from ml_workspace_lab.server.credentials import OWN, presented


class _Jupyter(APIHandler):
    def finish(self, *arguments: Any, **named: Any) -> "asyncio.Future[None]":
        # APIHandler would set the type of every content to JSON.
        self.update_api_activity()
        return super(APIHandler, self).finish(*arguments, **named)


class InJupyter(Answering, _Jupyter):  # type: ignore[misc]
    """Whom Jupyter's own login lets in is the local user; others bring a token of ours."""

    unknown = Denied

    def admit(self) -> None:
        if not self.check_host():
            raise Denied("The request names a host that this server does not answer to.")

    async def identify(self) -> Principal | None:
        token = presented(self.request.headers.get("Authorization", ""))
        if token is not None and token.startswith(OWN):
            principal = await self._holder(token)
        else:
            await APIHandler.prepare(self)
            if self._finished:
                return None
            if self.current_user is None:
                raise self.unknown("Who are you? The request has no login and no token.")
            principal = self.host.user
        await self._ask_authorizer()
        return principal

    async def _holder(self, token: str) -> Principal:
        """A token of ours is an explicit identity: no cookie, no XSRF check, no Jupyter login."""
        principal = await self.principal_of(token)
        if principal is None:
            raise self.unknown("The token is not (or no longer) one of this workspace.")
        self.current_user = self._jupyter_current_user = User(username=principal.name)
        self._token_authenticated = True
        self.set_cors_headers()
        return principal

    async def _ask_authorizer(self) -> None:
        """The server's own authorizer (an administrator's) may forbid more, never allow more."""
        action = "read" if self.request.method in ("GET", "HEAD") else "write"
        allowed = self.authorizer.is_authorized(self, self.current_user, action, "ml_workspace_lab")
        if isinstance(allowed, Awaitable):
            allowed = await allowed
        if not allowed:
            raise Denied(f"This Jupyter server's rules forbid you to {action} workspaces.")
