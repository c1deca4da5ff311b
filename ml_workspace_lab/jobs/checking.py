"""What can't run is refused before anything is queued."""

import json
import os
from typing import Any

from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.compute.store import Target
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.jobs import parameters, placeholders
from ml_workspace_lab.jobs.model import (
    CommandJob,
    ModelInput,
    NotebookJob,
    RunInput,
    ScriptJob,
    SubmitRun,
)
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.paths import relative

LOCAL = "local"


class Checking:
    """Looks at submissions."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def check(self, body: SubmitRun) -> None:
        """Raise InvalidInput or NotFound naming the field that is at fault."""
        target = self._services.computes.target(body.compute_target)
        local = target.kind == LOCAL
        if body.python is not None and body.environment is not None:
            raise InvalidInput("python: an environment has its own interpreter.", field="python")
        if local and body.python is not None and not os.access(body.python, os.X_OK):
            raise InvalidInput(
                f"There is no Python interpreter {body.python!r} on this compute target.",
                field="python",
            )
        if local:
            self._check_room(target, body.resources)
        placeholders.check(body)
        self._check_sources(body)
        match body.job:
            case NotebookJob():
                self._check_notebook(body.snapshot_id, body.job, local)
            case ScriptJob(script=script):
                self._file(body.snapshot_id, relative(script, "script"), "script")
            case CommandJob(command=command):
                self._services.snapshots.get(body.snapshot_id)
                if not command or not command[0]:
                    raise InvalidInput("command: names no program.", field="command")

    def _check_sources(self, body: SubmitRun) -> None:
        """What inputs name must be there; what of it is checked when the run begins."""
        for name, given in body.inputs.items():
            try:
                if isinstance(given, RunInput):
                    relative(given.path, f"inputs.{name}.path")
                    self._services.runs.get(given.run_id)
                elif isinstance(given, ModelInput):
                    self._services.models.version(given.name, given.version)
            except NotFound as error:
                raise InvalidInput(
                    f"inputs.{name}: {error.message}", field=f"inputs.{name}", hint=error.hint
                ) from None
        if body.resume_from is not None:
            self._services.runs.get(body.resume_from)

    def _check_room(self, target: Target, wanted: Resources) -> None:
        """An engine says by itself what it will never have; this machine is known."""
        [node] = self._services.computes.driver(target).capacity().nodes
        for name, asked, there in (
            ("nodes", wanted.nodes, 1),
            ("cores", wanted.cores, node.cores),
            ("memory_bytes", wanted.memory_bytes or 0, node.memory_bytes),
            ("gpus", wanted.gpus, node.gpus),
        ):
            if asked > there:
                raise InvalidInput(
                    f"resources.{name}: {asked:g} are asked for, and {target.name} has {there:g}.",
                    field=f"resources.{name}",
                )

    def _check_notebook(self, snapshot_id: str, job: NotebookJob, local: bool) -> None:
        raw = self._file(snapshot_id, relative(job.notebook, "notebook"), "notebook")
        try:
            notebook: Any = json.loads(raw)
        except ValueError:
            notebook = None
        if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
            raise InvalidInput(
                f"{job.notebook!r} is not a notebook (nbformat 4 JSON).", field="notebook"
            )
        parameters.check(notebook, job.parameters)
        if local:
            self._check_kernel(notebook, job.kernel_name)

    def _check_kernel(self, notebook: dict[str, Any], wanted: str | None) -> None:
        spec = notebook.get("metadata", {}).get("kernelspec", {})
        name = wanted or spec.get("name") or "python3"
        known = self._services.computes.kernels()
        if name not in known:
            raise InvalidInput(
                f"There is no kernel {name!r} on this compute target.",
                field="kernel_name",
                hint=f"It has: {', '.join(sorted(known))}. Name one of them (kernel_name, or -k).",
            )

    def _file(self, snapshot_id: str, path: str, field: str) -> bytes:
        try:
            found = self._services.snapshots.find(snapshot_id, path, field)
        except NotFound as error:
            raise InvalidInput(error.message, field=error.field, hint=error.hint) from None
        return self._services.storage.blobs.read(found.digest)
