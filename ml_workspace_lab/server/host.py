"""The server's own side of the API: which workspace it serves, and who is asking."""

from pathlib import Path

from ml_workspace_lab.access.caller import local_user
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.gate import Gate
from ml_workspace_lab.api.operation import HostService
from ml_workspace_lab.errors import WorkspaceNotConfigured
from ml_workspace_lab.services import Services, service_class
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.workspace import folder
from ml_workspace_lab.workspace.locate import HINT, locate


class WorkspaceHost:
    """Serves the workspace of a folder, or the one that is started there later."""

    def __init__(self, root: Path, workspace: Path | None = None) -> None:
        self.root = root
        self._configured = workspace
        self._services: Services | None = None

    def adopt(self, storage: Storage) -> None:
        """Serve this workspace from now on."""
        self._services = Services(storage)

    def services(self) -> Services | None:
        """The services of the workspace, None while there is none."""
        if self._services is not None and self._services.storage.database.is_there():
            return self._services
        self._services = None
        try:
            self.adopt(folder.open_(self._configured or self._locate()))
        except WorkspaceNotConfigured:
            return None
        return self._services

    def service(self, name: str) -> object:
        """The service of that name. Raises WorkspaceNotConfigured where it needs a workspace."""
        kind = service_class(name)
        if issubclass(kind, HostService):
            return kind(self)
        services = self.services()
        if services is None:
            raise WorkspaceNotConfigured(
                "This server has no workspace yet.",
                hint=HINT,
            )
        return getattr(services, name)

    def gate(self, principal: Principal, request_id: str) -> Gate:
        return Gate(principal, self.services(), request_id)

    def principal(self, token: str | None) -> Principal | None:
        """Whom a token of ours speaks for; the local user for one whom Jupyter let in (None)."""
        if token is None:
            return local_user()
        services = self.services()
        return services.tokens.principal(token) if services else None

    def _locate(self) -> Path:
        location = locate(self.root)
        if location.folder is None:
            raise WorkspaceNotConfigured(
                f"The workspace configured here is on another server: {location.url}.",
                hint="Open JupyterLab there, or remove .mlworkspace/config.json.",
            )
        return location.folder
