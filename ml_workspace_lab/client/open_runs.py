"""Interactive runs of this process that are still open, and what becomes of them at its exit."""

import atexit
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from ml_workspace_lab.errors import WorkspaceError

if TYPE_CHECKING:
    from ml_workspace_lab.client.run import Run

OPEN_RUNS: "set[Run]" = set()
_owner = os.getpid()
_statuses: list[Any] = []
"""What the program was ended with by `sys.exit`."""


class _Exit(SystemExit):
    """What `sys.exit` raises while runs are open: Python tells nobody at its exit how it came to
    it. One that was caught on the way goes with frames still there, the program's last with none.
    """

    def __del__(self) -> None:
        try:
            sys._getframe(1)
        except ValueError:
            _statuses.append(self.code)


def add(run: "Run") -> None:
    """See to it that the run is ended with this process."""
    OPEN_RUNS.add(run)
    sys.exit = _exit


def _exit(status: Any = None, /) -> NoReturn:
    raise _Exit(status)


def failed_exit(status: Any) -> str:
    """Why a program failed that exits with this status; empty where it did not."""
    return f"The program ended with {status!r} as its exit status." if status else ""


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
    """A script that ends by itself completes its runs, by an exception or with a status of failure
    it fails them; a kernel that is shut down fails them too."""
    if os.getpid() != _owner:
        return  # A forked child leaves its parent's runs alone.
    error = getattr(sys, "last_value", None)
    failed = failed_exit(_statuses[-1]) if _statuses else ""
    for run in list(OPEN_RUNS):
        with suppress(WorkspaceError):
            if _in_kernel():
                run.fail(_kernels_end(error))
            elif error is not None:
                run.fail(f"{type(error).__name__}: {error}")
            elif failed:
                run.fail(failed)
            else:
                run.complete()
