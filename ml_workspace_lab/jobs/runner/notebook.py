"""Notebooks: a kernel is started for one, then it is executed there."""

import asyncio
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager

from ml_workspace_lab.compute.kernels import PYTHON
from ml_workspace_lab.jobs import parameters
from ml_workspace_lab.jobs.model import NotebookJob
from ml_workspace_lab.jobs.runner.link import Link
from ml_workspace_lab.jobs.runner.outcome import Limits, Outcome


def run_notebook(link: Link, job: NotebookJob, limits: Limits) -> Outcome:
    """Execute the notebook from its first cell to its last, or to the first that fails."""
    return asyncio.run(_run(link, job, limits))


async def _run(link: Link, job: NotebookJob, limits: Limits) -> Outcome:
    content = json.loads((link.files.work / job.notebook).read_text(encoding="utf-8"))
    parameters.inject(content, job.parameters)
    # Pipes of this user's own, not TCP ports; a short path, since a socket's may have 107 bytes.
    sockets = Path(tempfile.mkdtemp(prefix="mlws-"))
    manager = AsyncKernelManager(
        kernel_name=job.kernel_name or _kernel_name(content),
        transport="ipc",
        connection_file=str(sockets / "kernel.json"),
    )
    try:
        await manager.start_kernel(cwd=str((link.files.work / job.notebook).parent))
        # Imported while the kernel starts: each takes about as long as the other.
        from ml_workspace_lab.jobs.runner.execution import Execution, read

        execution = Execution(link, read(content), manager)
        return await execution.outcome(limits)
    finally:
        await manager.shutdown_kernel(now=True)
        shutil.rmtree(sockets, ignore_errors=True)


def _kernel_name(content: dict[str, Any]) -> str:
    return content.get("metadata", {}).get("kernelspec", {}).get("name") or PYTHON
