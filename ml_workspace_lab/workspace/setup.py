"""Starting a workspace where there is none: one click, no account, no port, no database."""

from ml_workspace_lab.api.operation import HostService, operation
from ml_workspace_lab.workspace import folder, store
from ml_workspace_lab.workspace.locate import CONFIG_FOLDER, write_config
from ml_workspace_lab.workspace.model import CreateWorkspace, WorkspaceInfo

STORE_FOLDER = "store"


class Setup(HostService):
    """What a server without a workspace can do."""

    @operation("POST", "/workspace", action="workspaces/write")
    def create(self, body: CreateWorkspace) -> WorkspaceInfo:
        """A new workspace in the server's root folder, which it serves from now on.

        Raises Conflict where there is one already.
        """
        root = self.host.root
        storage = folder.create(root / CONFIG_FOLDER / STORE_FOLDER, body)
        write_config(root, body.name, str(storage.root))
        self.host.adopt(storage)
        return store.info(storage)
