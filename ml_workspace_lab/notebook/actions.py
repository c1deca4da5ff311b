"""What the magics do, as functions that know nothing of IPython's magic machinery."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ml_workspace_lab.client.configs import NotebookRunConfig
from ml_workspace_lab.client.context import RUN_VARIABLES
from ml_workspace_lab.client.endpoint import Endpoint, preflight
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.client.run import Run
from ml_workspace_lab.client.scaling import scaling_of_words
from ml_workspace_lab.client.workspace import Workspace, start_here
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.errors import InvalidInput, WorkspaceError
from ml_workspace_lab.notebook import document as documents
from ml_workspace_lab.notebook.document import Document
from ml_workspace_lab.pairs import pairs, typed_pairs
from ml_workspace_lab.workspace import folder
from ml_workspace_lab.workspace.locate import locate


class Session:
    """What one kernel has done with the workspace so far."""

    def __init__(self) -> None:
        self.last_run: Run | None = None
        self.notes: tuple[str, ...] = ()

    @property
    def in_job(self) -> bool:
        """Whether this kernel executes a job. There a notebook's own `%ws_run` must not submit the
        notebook again, and again."""
        return any(os.environ.get(name) for name in RUN_VARIABLES)

    def workspace(self) -> Workspace:
        return Workspace.from_config()

    def warm_up(self) -> None:
        """Have the workspace's background process there before the first run is submitted."""
        with suppress(WorkspaceError, OSError):
            location = locate()
            if location.folder is not None and not self.in_job:
                wake(folder.open_(location.folder).root)

    def init(self, options: Any) -> Workspace:
        """Start a workspace in this folder."""
        return start_here(options.name)

    def run(self, shell: Any, options: Any, cell: str | None) -> Run:
        """Submit this notebook, the one that is named, or one cell."""
        document = self._document(shell, options.notebook, cell)
        experiment = options.experiment or Path(document.name).stem
        config = NotebookRunConfig(
            document.folder,
            document.name,
            parameters=typed_pairs(options.param),
            kernel_name=options.kernel,
            only_cell=cell is not None,
            content=document.raw,
            notes=document.notes,
            compute_target=options.compute,
            display_name=options.name,
            tags=pairs(options.tag, "tag"),
            timeout_seconds=options.timeout,
            cold=options.cold,
            environment=options.environment,
        )
        self.notes = document.notes
        self.last_run = self.workspace().experiment(experiment).submit(config)
        self.notes = tuple(self.last_run.snapshot_notes)
        return self.last_run

    def runs(self, options: Any) -> list[Run]:
        """The newest runs, of one experiment where it is named."""
        return self.workspace().runs(options.experiment, limit=options.limit)

    def register(self, shell: Any, options: Any) -> Model:
        """Register a live object, or what a run left among its artifacts."""
        tags = pairs(options.tag, "tag")
        if options.object is not None:
            if options.run is not None:
                raise InvalidInput("Give either --object or --run.", field="object")
            example = options.example and _variable(shell, options.example)
            return Model.register(
                self.workspace(),
                options.model,
                model=_variable(shell, options.object),
                input_example=example,
                tags=tags,
                description=options.description,
            )
        if options.example is not None:
            raise InvalidInput("--example goes with --object.", field="example")
        run = self._run(options.run)
        run.wait_for_completion()
        return run.register_model(
            options.model, options.path, tags=tags, description=options.description
        )

    def deploy(self, options: Any) -> Any:
        """Try the scoring code here first; then serve the model, unless that was all."""
        model = Model.parse(self.workspace(), options.model)
        script = Path(options.script) if options.script else None
        scaling = scaling_of_words(
            options.workers, options.max_workers, options.target_utilization, model
        )
        preflight(model, script, _json(options.sample))
        if options.dry_run:
            return None
        return Endpoint.deploy(
            model.workspace,
            options.name or endpoint_name(model.name),
            model,
            scoring_script=script,
            port=options.port,
            engine=options.engine,
            deployment=options.deployment,
            traffic=options.traffic,
            workers=scaling,
            compute_target=options.compute,
            environment=options.environment,
        )

    def _run(self, run_id: str | None) -> Run:
        if run_id is not None:
            return self.workspace().run(run_id)
        if self.last_run is None:
            raise InvalidInput(
                "No run was submitted from this notebook yet.",
                field="run",
                hint="Name one with --run, or register a variable with --object.",
            )
        return self.last_run

    def _document(self, shell: Any, path: str | None, cell: str | None) -> Document:
        if path is not None and cell is not None:
            raise InvalidInput("%%ws_run runs its own cell and takes no file.", field="notebook")
        if cell is not None:
            return documents.single_cell(cell, documents.current(shell))
        document = documents.named(path) if path is not None else documents.current(shell)
        if not document.content.get("cells"):
            raise InvalidInput(
                "There are no cells to run.", field="notebook", hint="Name a file: %ws_run FILE."
            )
        return document


def endpoint_name(model: str) -> str:
    """A name for an endpoint, made of a model's."""
    name = re.sub(r"[^a-z0-9]+", "-", model.partition(":")[0].lower()).strip("-")
    name = name if name[:1].isalpha() else f"m-{name}"
    return f"{name}-endpoint"[:32].rstrip("-")


def _json(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"sample: is not JSON: {error}.", field="sample") from None


def _variable(shell: Any, name: str) -> Any:
    if name not in shell.user_ns:
        raise InvalidInput(f"There is no variable {name!r} in this notebook.", field="object")
    return shell.user_ns[name]
