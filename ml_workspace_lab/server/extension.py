"""The Jupyter server extension: mounts the API and keeps an eye on the workspace."""

import asyncio
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Unicode

from ml_workspace_lab.server.awake import keep_awake
from ml_workspace_lab.server.host import WorkspaceHost
from ml_workspace_lab.server.jupyter import InJupyter
from ml_workspace_lab.server.routes import NAMESPACE, UndeclaredRoute, check, routes


class MLWorkspaceLab(ExtensionApp):
    """Serves one workspace from inside a Jupyter server."""

    name = "ml_workspace_lab"
    extension_url = NAMESPACE
    load_other_extensions = True

    workspace = Unicode(
        "",
        help="""The folder of the workspace to serve, or one whose .mlworkspace/config.json names
        it. By default ML_WORKSPACE of the environment, else what .mlworkspace/config.json in the
        server's root folder or above it names.""",
    ).tag(config=True)

    _watch: "asyncio.Task[None] | None" = None

    def initialize_settings(self) -> None:
        assert self.serverapp is not None
        configured = Path(self.workspace).expanduser().absolute() if self.workspace else None
        self.host = WorkspaceHost(Path(self.serverapp.root_dir).absolute(), configured)

    def initialize_handlers(self) -> None:
        assert self.serverapp is not None
        self.handlers.extend(routes(self.host, InJupyter, self.serverapp.base_url))

    async def _start_jupyter_server_extension(self, _: Any) -> None:
        assert self.serverapp is not None
        try:
            check(self.serverapp.web_app.default_router)
        except UndeclaredRoute as error:
            # Jupyter only logs what an extension raises here, and would serve the route.
            raise SystemExit(str(error)) from None
        self._watch = asyncio.create_task(keep_awake(self.host))

    async def stop_extension(self) -> None:
        self.host.ending = True
        if self._watch is not None:
            self._watch.cancel()
