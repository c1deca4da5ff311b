"""An interactive run in a kernel: what ended it is told apart, the errors of cells included."""

from collections.abc import Iterator

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually

START = """
from ml_workspace_lab import Workspace
run = Workspace.open(ROOT).experiment("e").start_logging()
run.log("x", 1)
"""


@pytest.fixture
def kernel(ws: Workspace) -> Iterator[KernelManager]:
    """A kernel in which a run was started."""
    manager, client = start_new_kernel()
    client.execute_interactive(START.replace("ROOT", repr(ws.location)), timeout=60)
    client.stop_channels()
    yield manager
    if manager.is_alive():
        manager.shutdown_kernel(now=True)


def execute(manager: KernelManager, source: str) -> None:
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.execute_interactive(source, timeout=60, output_hook=lambda _: None)
    client.stop_channels()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("restart", "The kernel was restarted before the run was completed."),
        ("shut down", "The kernel was shut down before the run was completed."),
        ("kill", "its kernel died"),
    ],
)
def test_the_end_of_a_kernel_is_the_reason(
    ws: Workspace, kernel: KernelManager, end: str, reason: str
) -> None:
    execute(kernel, "1 / 0")
    (run,) = ws.runs()
    assert run.get_status() is RunState.RUNNING, "a cell that fails ends no run"
    match end:
        case "restart":
            kernel.restart_kernel()
        case "shut down":
            kernel.shutdown_kernel()
        case _:
            kernel.shutdown_kernel(now=True)
    info = eventually(lambda: run.info() if run.info().state.is_terminal else None, 30)
    assert info.state is RunState.FAILED
    assert reason in info.reason
    if end != "kill":
        assert "The last error before: ZeroDivisionError: division by zero" in info.reason


def test_an_exception_in_the_block_of_a_run_is_its_reason(
    ws: Workspace, kernel: KernelManager
) -> None:
    execute(kernel, "with run:\n    raise ValueError('bad data')")
    (run,) = ws.runs()
    assert run.info().reason == "ValueError: bad data"
