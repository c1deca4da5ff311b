"""The run that the present code is part of."""

import os

from ml_workspace_lab.access.caller import local_user
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.client.job_connection import from_claim
from ml_workspace_lab.client.run import Run, start_interactive
from ml_workspace_lab.client.workspace import Workspace
from ml_workspace_lab.workspace import folder
from ml_workspace_lab.workspace.locate import VARIABLE, locate, token

RUN_VARIABLES = ("ML_WORKSPACE_RUN_ID", "AZUREML_RUN_ID")
INTERACTIVE = "interactive"

_current: Run | None = None


def current_run(experiment: str | None = None) -> Run:
    """The job's run in a job, else this process's interactive run, started by the first call."""
    global _current
    run_id = next((os.environ[name] for name in RUN_VARIABLES if os.environ.get(name)), None)
    if _current is not None and (run_id or not _current.info().state.is_terminal):
        return _current
    if run_id is not None and os.environ.get(VARIABLE):
        _current = _run_of_job(run_id)
    else:
        workspace = Workspace.at(locate())
        _current = start_interactive(workspace, experiment or INTERACTIVE)
    return _current


def _run_of_job(run_id: str) -> Run:
    """The job's own run, with the rights of a run: to itself and to what it starts."""
    location = locate()
    if location.folder is None:
        connection = from_claim(location.url or "", token() or "")
        return (Workspace(connection) if connection else Workspace.at(location)).run(run_id)
    principal = Principal(name=f"{local_user().name} (run {run_id})", role="Run", run_id=run_id)
    storage = folder.open_(location.folder)
    return Workspace(LocalConnection(storage, principal)).run(run_id)
