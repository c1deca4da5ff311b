"""Jobs: hand the work of a run to a compute target, and call it back."""

import json
import os
from typing import Any

import msgspec

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Name, RunId
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import RunInfo, RunState
from ml_workspace_lab.jobs import parameters, store
from ml_workspace_lab.jobs.model import CommandJob, NotebookJob, ScriptJob, SubmitRun, kind_of
from ml_workspace_lab.storage.paths import relative


class Jobs(Service):
    """Work that compute targets do."""

    @operation(
        "POST", "/experiments/{experiment}/runs/submit", action="experiments/runs/submit/action"
    )
    def submit(self, experiment: Name, body: SubmitRun) -> RunInfo:
        """A run whose work is queued for a compute target. A repeat with the same `run_id` and the
        same content answers with the run that is there."""
        self._check(body)
        run_id = body.run_id or new_id()
        if body.run_id is not None and (known := self._repeat(run_id, body)) is not None:
            return known
        notebook = body.job if isinstance(body.job, NotebookJob) else None
        with self.storage.database.write() as transaction:
            run = self.services.runs.add(
                transaction,
                experiment,
                run_id=run_id,
                kind=kind_of(body.job),
                display_name=body.display_name,
                parent=body.parent,
                snapshot=body.snapshot_id,
                notebook=notebook.notebook if notebook else None,
                tags=body.tags,
                params=notebook.parameters if notebook else {},
                compute_target=body.compute_target,
            )
            store.insert(transaction, run, body)
            reason = f"Waiting for a free slot on {body.compute_target}."
            self.services.runs.transition(transaction, run_id, RunState.QUEUED, reason)
        self.storage.run(run_id).create()
        self.services.computes.wake()
        return self.services.runs.get(run_id)

    @operation("POST", "/runs/{run_id}/cancel", action="experiments/runs/cancel/action")
    def cancel(self, run_id: RunId) -> RunInfo:
        """Ask for the end of a run: its code is interrupted, then ended. Raises Conflict where it
        has ended already; a repeat changes nothing."""
        run = self.services.runs.get(run_id)
        if run.state.is_terminal:
            raise Conflict(f"Run {run_id} has ended already: {run.state}.", field="run_id")
        if run.kind == "interactive":
            self.services.runs.finish(run_id, RunState.CANCELED, f"Canceled by {caller().name}.")
        elif run.state is not RunState.CANCEL_REQUESTED:
            with self.storage.database.write() as transaction:
                store.request_cancel(transaction, run_id)
                reason = f"Canceled by {caller().name}."
                self.services.runs.transition(
                    transaction, run_id, RunState.CANCEL_REQUESTED, reason
                )
            self.services.computes.wake()
        return self.services.runs.get(run_id)

    def counts(self, compute_target: str) -> tuple[int, int]:
        """How many jobs of a target are being worked on, and how many wait."""
        return store.counts(self.storage.database, compute_target)

    def _check(self, body: SubmitRun) -> None:
        """Refuse what can't run, before anything is queued."""
        self.services.computes.get(body.compute_target)
        if body.python is not None and not os.access(body.python, os.X_OK):
            raise InvalidInput(
                f"There is no Python interpreter {body.python!r} on this compute target.",
                field="python",
            )
        match body.job:
            case NotebookJob():
                self._check_notebook(body.snapshot_id, body.job)
            case ScriptJob(script=script):
                self._file(body.snapshot_id, relative(script, "script"), "script")
            case CommandJob(command=command):
                self.services.snapshots.get(body.snapshot_id)
                if not command or not command[0]:
                    raise InvalidInput("command: names no program.", field="command")

    def _check_notebook(self, snapshot_id: str, job: NotebookJob) -> None:
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
        self._check_kernel(notebook, job.kernel_name)

    def _check_kernel(self, notebook: dict[str, Any], wanted: str | None) -> None:
        spec = notebook.get("metadata", {}).get("kernelspec", {})
        name = wanted or spec.get("name") or "python3"
        known = self.services.computes.kernels()
        if name not in known:
            raise InvalidInput(
                f"There is no kernel {name!r} on this compute target.",
                field="kernel_name",
                hint=f"It has: {', '.join(sorted(known))}. Name one of them (kernel_name, or -k).",
            )

    def _file(self, snapshot_id: str, path: str, field: str) -> bytes:
        try:
            found = self.services.snapshots.find(snapshot_id, path, field)
        except NotFound as error:
            raise InvalidInput(error.message, field=error.field, hint=error.hint) from None
        return self.storage.blobs.read(found.digest)

    def _repeat(self, run_id: str, body: SubmitRun) -> RunInfo | None:
        job = store.find(self.storage.database, run_id)
        if job is None:
            return None
        if msgspec.to_builtins(job.submission) != msgspec.to_builtins(body):
            raise Conflict(f"Run {run_id} was submitted with other content.", field="run_id")
        return self.services.runs.get(run_id)
