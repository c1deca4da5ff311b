"""A run's card that changes while the run goes on."""

import threading
from typing import Any

from ml_workspace_lab.client.card import run_bundle
from ml_workspace_lab.client.run import Run
from ml_workspace_lab.errors import WorkspaceError

INTERVAL = 0.5


def show(run: Run) -> None:
    """Show the run's card here, and keep it true until the run has ended.

    The update goes to the output by its id, so it also reaches front ends without our extension,
    and the HTML in the saved file is the last one.
    """
    from IPython.display import display

    handle = display(  # type: ignore[no-untyped-call]
        _bundle(run), raw=True, display_id=True
    )
    if handle is not None and not run.info().state.is_terminal:
        threading.Thread(target=_keep_true, args=(run, handle), daemon=True).start()


def _keep_true(run: Run, handle: Any) -> None:
    shown: dict[str, Any] = {}
    pause = threading.Event()
    while True:
        try:
            bundle = _bundle(run)
            if bundle != shown:
                handle.update(bundle, raw=True)
                shown = bundle
            if run.info().state.is_terminal and _bundle(run) == shown:
                return
        except WorkspaceError:
            return  # The workspace is gone: the card stays as it was.
        pause.wait(INTERVAL)


def _bundle(run: Run) -> dict[str, Any]:
    return run_bundle(run.workspace.name, run.info())
