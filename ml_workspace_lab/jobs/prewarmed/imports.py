"""What a zygote imports: all that a runner and a Python kernel import before the first cell."""

from importlib import import_module

MODULES = (
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "asyncio",
    "faulthandler",
    "ipykernel.debugger",
    "ipykernel.displayhook",
    "ipykernel.iostream",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "jupyter_client.asynchronous",
    "jupyter_client.kernelspec",
    "jupyter_client.manager",
    "jupyter_client.provisioning",
    "ml_workspace_lab.client.context",
    "ml_workspace_lab.client.run",
    "ml_workspace_lab.jobs.runner.execution",
    "ml_workspace_lab.jobs.runner.lifecycle",
    "ml_workspace_lab.jobs.runner.notebook",
    "ml_workspace_lab.jobs.runner.process",
    "nbclient",
    "nbformat",
    "pdb",
    "sqlite3",
    "tornado.platform.asyncio",
    "zmq.asyncio",
)


def warm() -> None:
    """Import them, and let what is compiled at its first use be compiled."""
    for name in MODULES:
        import_module(name)
    from ml_workspace_lab.jobs.runner.execution import read

    read({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
