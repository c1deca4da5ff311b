"""Notebooks: a kernel driven cell by cell; log, progress and output notebook grow as it goes."""

import asyncio
import json
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError, DeadKernelError

from ml_workspace_lab.compute.kernels import PYTHON
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import parameters
from ml_workspace_lab.jobs.model import NotebookJob
from ml_workspace_lab.jobs.runner.execution import Execution
from ml_workspace_lab.jobs.runner.outcome import COMPLETED, Limits, Outcome
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.storage import RunFolder


def run_notebook(
    services: Services, run_id: str, job: NotebookJob, files: RunFolder, limits: Limits
) -> Outcome:
    """Execute the notebook from its first cell to its last, or to the first that fails."""
    return asyncio.run(_run(services, run_id, job, files, limits))


async def _run(
    services: Services, run_id: str, job: NotebookJob, files: RunFolder, limits: Limits
) -> Outcome:
    notebook = _read(files, job)
    spec = notebook.metadata.get("kernelspec", {})
    # Pipes of this user's own, not TCP ports; a short path, since a socket's may have 107 bytes.
    sockets = Path(tempfile.mkdtemp(prefix="mlws-"))
    manager = AsyncKernelManager(
        kernel_name=job.kernel_name or spec.get("name") or PYTHON,
        transport="ipc",
        connection_file=str(sockets / "kernel.json"),
    )
    try:
        await manager.start_kernel(cwd=str((files.work / job.notebook).parent))
        execution = Execution(services, run_id, notebook, manager, files)
        return await _execute(execution, manager, limits)
    finally:
        await manager.shutdown_kernel(now=True)
        shutil.rmtree(sockets, ignore_errors=True)


async def _execute(execution: Execution, manager: Any, limits: Limits) -> Outcome:
    task = asyncio.create_task(execution.run())
    with limits.cancelling(task) as cut:
        try:
            await task
            return COMPLETED
        except CellExecutionError as error:
            return Outcome(RunState.FAILED, f"{execution.where}: {_brief(error)}")
        except (DeadKernelError, asyncio.CancelledError) as error:
            # nbclient takes a cancelled wait for a dead kernel.
            if cut:
                await execution.interrupt()
                return cut[0]
            if isinstance(error, DeadKernelError):
                return Outcome(RunState.FAILED, f"{execution.where}: {_death(manager)}")
            raise
        finally:
            execution.close()


def _read(files: RunFolder, job: NotebookJob) -> Any:
    content = json.loads((files.work / job.notebook).read_text(encoding="utf-8"))
    parameters.inject(content, job.parameters)
    try:
        # Read from text: that joins the lines that a file keeps apart, and gives ids to old cells.
        notebook = nbformat.reads(json.dumps(content), as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise InvalidInput(
            f"{job.notebook!r} is not a notebook: {error.message}.", field="notebook"
        ) from None
    return notebook


def _brief(error: CellExecutionError) -> str:
    text = f"{error.ename}: {error.evalue}".strip()
    return text if len(text) <= 500 else f"{text[:500]}… (the log has all of it)"


def _death(manager: Any) -> str:
    """What is known of the end of a kernel that was not asked to end."""
    process = getattr(manager.provisioner, "process", None)
    code = process.poll() if process else None
    if code is None:
        return "the kernel does not answer any more."
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the kernel died: killed by signal {-code} ({name}){hint}."
    return f"the kernel died: exit code {code}."
