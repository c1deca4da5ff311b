"""A machine-learning workspace inside JupyterLab: runs, models and endpoints from a notebook."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_workspace_lab.client.compute import ComputeTarget
    from ml_workspace_lab.client.configs import (
        CommandConfig,
        NotebookRunConfig,
        ScriptRunConfig,
    )
    from ml_workspace_lab.client.endpoint import Endpoint
    from ml_workspace_lab.client.environment import Environment
    from ml_workspace_lab.client.experiment import Experiment
    from ml_workspace_lab.client.instance import ComputeInstance
    from ml_workspace_lab.client.model import Model
    from ml_workspace_lab.client.package import Package
    from ml_workspace_lab.client.run import Run
    from ml_workspace_lab.client.workspace import Workspace
    from ml_workspace_lab.errors import WorkspaceError

__all__ = [
    "CommandConfig",
    "ComputeInstance",
    "ComputeTarget",
    "Endpoint",
    "Environment",
    "Experiment",
    "Model",
    "NotebookRunConfig",
    "Package",
    "Run",
    "ScriptRunConfig",
    "Workspace",
    "WorkspaceError",
]

_HOMES = {
    "CommandConfig": "client.configs",
    "ComputeInstance": "client.instance",
    "ComputeTarget": "client.compute",
    "Endpoint": "client.endpoint",
    "Environment": "client.environment",
    "Experiment": "client.experiment",
    "Model": "client.model",
    "NotebookRunConfig": "client.configs",
    "Package": "client.package",
    "Run": "client.run",
    "ScriptRunConfig": "client.configs",
    "Workspace": "client.workspace",
    "WorkspaceError": "errors",
}


def __getattr__(name: str) -> Any:
    # Imported when first used: `import ml_workspace_lab` costs next to nothing.
    if name == "__version__":
        return import_module("ml_workspace_lab._version").__version__
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"ml_workspace_lab.{_HOMES[name]}"), name)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "ml-workspace-lab"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from ml_workspace_lab.server.extension import MLWorkspaceLab

    return [{"module": "ml_workspace_lab", "app": MLWorkspaceLab}]


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext ml_workspace_lab`: the `%ws_…` magics."""
    from ml_workspace_lab.notebook.magics import load

    load(ipython)
