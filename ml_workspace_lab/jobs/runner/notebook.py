"""Notebooks: a kernel is started for one, then it is executed there."""

import asyncio
import json
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

from ml_workspace_lab.compute.kernels import PYTHON
from ml_workspace_lab.jobs import parameters
from ml_workspace_lab.jobs.model import NotebookJob
from ml_workspace_lab.jobs.prewarmed import kernel
from ml_workspace_lab.jobs.runner.link import Link
from ml_workspace_lab.jobs.runner.outcome import Limits, Outcome
from ml_workspace_lab.jobs.runner.standstill import told_of
from ml_workspace_lab.storage.storage import RunFolder

GRACE_SECONDS = 5.0


def run_notebook(link: Link, job: NotebookJob, limits: Limits) -> Outcome:
    """Execute the notebook from its first cell to its last, or to the first that fails."""
    return asyncio.run(_run(link, job, limits))


async def _run(link: Link, job: NotebookJob, limits: Limits) -> Outcome:
    content = json.loads((link.files.work / job.notebook).read_text(encoding="utf-8"))
    parameters.inject(content, job.parameters)
    folder = (link.files.work / job.notebook).parent
    async with _kernel(job.kernel_name or _kernel_name(content), folder, link.files) as (
        manager,
        code,
    ):
        # Imported while the kernel starts: each takes about as long as the other.
        from ml_workspace_lab.jobs.runner.execution import Execution, read

        execution = Execution(link, read(content), manager, prepare=code)
        process = getattr(manager.provisioner, "process", None)
        with nullcontext() if process is None else told_of(link, process.pid):
            return await execution.outcome(limits)


@asynccontextmanager
async def _kernel(name: str, folder: Path, files: RunFolder) -> AsyncIterator[tuple[Any, str]]:
    """The manager of a kernel that is up or starting, and what it executes before anything else.
    It is ended when the block is left."""
    manager, code, sockets = kernel.take(name), "", None
    if manager is not None:
        code = kernel.become_code(folder, files.path / "runner.log")
    else:
        # Pipes of this user's own, not TCP ports; a short path: a socket's may have 107 bytes.
        sockets = Path(tempfile.mkdtemp(prefix="mlws-"))
        file = str(sockets / "kernel.json")
        manager = AsyncKernelManager(kernel_name=name, transport="ipc", connection_file=file)
    try:
        if sockets is not None:
            await manager.start_kernel(cwd=str(folder))
        yield manager, code
    finally:
        await _end(manager)
        if sockets is not None:
            shutil.rmtree(sockets, ignore_errors=True)


async def _end(manager: Any) -> None:
    """End the kernel and what it started in its group. jupyter_client's own way looks for its end
    every 0.1 s."""
    process = getattr(manager.provisioner, "process", None)
    if process is not None:
        await manager.provisioner.send_signal(signal.SIGKILL)
        process.wait(GRACE_SECONDS)
    await manager.cleanup_resources()


def _kernel_name(content: dict[str, Any]) -> str:
    return content.get("metadata", {}).get("kernelspec", {}).get("name") or PYTHON
