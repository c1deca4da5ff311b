"""The server's own side of the API: which workspace it serves, and who is asking."""

from pathlib import Path
from weakref import WeakSet

from ml_workspace_lab.access.caller import local_user
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.operation import HostService
from ml_workspace_lab.errors import Conflict, NotFound, WorkspaceNotConfigured
from ml_workspace_lab.server.credentials import KnownTokens
from ml_workspace_lab.services import Services, service_class
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.workspace import folder
from ml_workspace_lab.workspace.locate import HINT, in_folder, locate

CONNECTIONS = 256


class WorkspaceHost:
    """Serves the workspace of a folder, or the one that is started there later."""

    def __init__(self, root: Path, workspace: Path | None = None) -> None:
        self.root = root
        self.user = local_user()
        self._configured = workspace
        self._services: Services | None = None
        self._connections: dict[Principal, LocalConnection] = {}
        self.tokens = KnownTokens()
        self.underway: WeakSet[object] = WeakSet()
        """The requests that are not answered yet."""
        self.ending = False

    def adopt(self, storage: Storage) -> None:
        """Serve this workspace from now on."""
        self._connections = {}
        self.tokens.forget()
        self._services = Services(storage)

    def services(self) -> Services | None:
        """The services of the workspace, None while there is none."""
        if self._services is not None and self._services.storage.database.is_there():
            return self._services
        self._services = None
        try:
            self.adopt(folder.open_(self._locate()))
        except WorkspaceNotConfigured:
            return None
        return self._services

    def service(self, name: str) -> object:
        """The service of that name. Raises WorkspaceNotConfigured where it needs a workspace."""
        kind = service_class(name)
        services = self.services()
        if name == "setup" and services is not None:
            raise Conflict("This server has a workspace already.")
        if issubclass(kind, HostService):
            return kind(self)
        if services is None:
            raise self._no_workspace()
        return getattr(services, name)

    def principal(self, token: str) -> Principal | None:
        """Whom a token of ours speaks for."""
        try:
            services = self.services()
        except NotFound:
            return None  # The folder is gone; where it was is not for everyone to know.
        return services.tokens.principal(token) if services else None

    def connection(self, principal: Principal) -> LocalConnection:
        """The principal's own way into the workspace. Raises WorkspaceNotConfigured."""
        services = self.services()
        if services is None:
            raise self._no_workspace()
        if len(self._connections) >= CONNECTIONS:
            self._connections.clear()
        made = LocalConnection(services.storage, principal)
        return self._connections.setdefault(principal, made)

    def kept_connection(self, principal: Principal) -> LocalConnection | None:
        """The same where it has been made before and the workspace is there; without waiting."""
        found = self._connections.get(principal)
        return found if found and found.storage.database.is_there() else None

    def _locate(self) -> Path:
        location = in_folder(self._configured) if self._configured else locate(self.root)
        if location.folder is None:
            raise WorkspaceNotConfigured(
                f"The workspace configured here is on another server: {location.url}.",
                hint="Open JupyterLab there, or remove .mlworkspace/config.json.",
            )
        return location.folder

    @staticmethod
    def _no_workspace() -> WorkspaceNotConfigured:
        return WorkspaceNotConfigured("This server has no workspace yet.", hint=HINT)
