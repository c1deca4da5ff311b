"""A server looks after its workspace's background process for as long as it lives."""

import asyncio

from tornado.log import app_log

from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.server.host import WorkspaceHost

LOOK_AFTER_SECONDS = 15.0


async def keep_awake(host: WorkspaceHost) -> None:
    """Keep the background process there, for ever: it closes what has died, and is warm when the
    next run is submitted."""
    while True:
        try:
            await asyncio.to_thread(_wake, host)
        except (OSError, WorkspaceError) as error:
            app_log.warning("The workspace's background process can't be started: %s", error)
        await asyncio.sleep(LOOK_AFTER_SECONDS)


def _wake(host: WorkspaceHost) -> None:
    services = host.services()
    if services is not None:
        wake(services.storage.root)
