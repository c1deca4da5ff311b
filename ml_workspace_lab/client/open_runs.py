"""Interactive runs of this process that are still open, and what becomes of them at its exit."""

import atexit
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from ml_workspace_lab.errors import WorkspaceError

if TYPE_CHECKING:
    from ml_workspace_lab.client.run import Run

OPEN_RUNS: "set[Run]" = set()
_owner = os.getpid()


def _in_kernel() -> bool:
    module = sys.modules.get("ipykernel.kernelapp")
    return module is not None and module.IPKernelApp.initialized()


def _kernels_end(error: BaseException | None) -> str:
    """Why this kernel ends, and the last error that a cell has shown."""
    kernel = sys.modules["ipykernel.kernelapp"].IPKernelApp.instance().kernel
    # The request that it answered; no part of what ipykernel promises, so it may not be there.
    message = getattr(kernel, "_shutdown_message", None) or {}
    how = "restarted" if message.get("content", {}).get("restart") else "shut down"
    after = f" The last error before: {type(error).__name__}: {error}" if error is not None else ""
    return f"The kernel was {how} before the run was completed.{after}"


@atexit.register
def close_open_runs() -> None:
    """A script that ends by itself completes its runs; a kernel that is shut down fails them."""
    if os.getpid() != _owner:
        return  # A forked child leaves its parent's runs alone.
    error = getattr(sys, "last_value", None)
    for run in list(OPEN_RUNS):
        with suppress(WorkspaceError):
            if _in_kernel():
                run.fail(_kernels_end(error))
            elif error is not None:
                run.fail(f"{type(error).__name__}: {error}")
            else:
                run.complete()
