"""The Jupyter server of an instance: with a token of its own, in its own folder; on loopback or,
where it is a job, at the address of its machine that the workspace's reaches."""

import json
from typing import Any

from ml_workspace_lab.compute.instances.folder import LaunchFolder, Order
from ml_workspace_lab.network import own_address
from ml_workspace_lab.storage.files import write_atomic


def serve(launch: LaunchFolder, order: Order) -> None:
    """Be the server until it is told to end."""
    # Imported now: a script may have installed or changed it.
    from jupyter_server.serverapp import ServerApp

    file = launch.path / "config.json"
    write_atomic(file, json.dumps(settings(launch, order)).encode())
    ServerApp.launch_instance([f"--config={file}"])


def settings(launch: LaunchFolder, order: Order) -> dict[str, Any]:
    """The server's settings; its token is in a file that only this account can read."""
    from importlib.util import find_spec

    has_lab = find_spec("jupyterlab") is not None
    return {
        "IdentityProvider": {"token": launch.instance.token.read_text()},
        "MLWorkspaceLab": {"workspace": order.workspace},
        "ServerApp": {
            "ip": own_address(order.reached_from) if order.reached_from else "127.0.0.1",
            "port": order.port,
            "port_retries": 50,
            # Its own, so that the cookies of servers on one host are not mixed up.
            "base_url": f"/{order.name}/",
            # A page that is open is still let in after the next start.
            "cookie_secret_file": str(launch.instance.jupyter / "cookie_secret"),
            "root_dir": str(launch.instance.files),
            "default_url": "/lab" if has_lab else "/",
            "open_browser": False,
            "allow_root": True,
            "jpserver_extensions": {"jupyterlab": has_lab, "ml_workspace_lab": True},
        },
    }
