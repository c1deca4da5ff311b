"""Where stock MLflow clients log to this workspace."""

import os
from typing import TYPE_CHECKING

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.remote import RemoteConnection
from ml_workspace_lab.client.job_connection import JobConnection
from ml_workspace_lab.client.local_server import local_server
from ml_workspace_lab.errors import InvalidInput

if TYPE_CHECKING:
    from ml_workspace_lab.client.workspace import Workspace

MOUNT = "/ml-workspace-lab/mlflow"
TOKEN = "MLFLOW_TRACKING_TOKEN"  # noqa: S105 - the name of a variable
RUN = "MLFLOW_RUN_ID"


def tracking_uri(workspace: "Workspace") -> str:
    connection = workspace.connection
    if isinstance(connection, RemoteConnection):
        os.environ[TOKEN] = connection.token
        if isinstance(connection, JobConnection):
            os.environ.setdefault(RUN, connection.run_id)
        return connection.url + MOUNT
    if not isinstance(connection, LocalConnection):
        raise InvalidInput("This workspace is neither in a folder nor on a server.")
    url, token = local_server(connection.storage.root)
    own = connection.principal.run_id
    if own is not None:  # A job logs with the rights of its run, and to it.
        token = connection.tokens.create_for_run(own).token
        os.environ.setdefault(RUN, own)
    os.environ[TOKEN] = token
    return url + MOUNT
