"""An experiment as its users hold it."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import UNSET

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.client.run import Run, start_interactive
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import CreateExperiment, ExperimentInfo, UpdateExperiment

if TYPE_CHECKING:
    from ml_workspace_lab.client.configs import RunConfig
    from ml_workspace_lab.client.workspace import Workspace


class Experiment:
    """A named series of runs; made by its first use."""

    def __init__(self, workspace: "Workspace", name: str) -> None:
        self.workspace = workspace
        self.name = name

    def info(self) -> ExperimentInfo:
        """The experiment's record, made where there is none yet."""
        return self.workspace.connection.experiments.create(CreateExperiment(self.name))

    def submit(self, config: "RunConfig", *, parent: Run | None = None) -> Run:
        """Snapshot the code, queue the work and return at once with the run."""
        # What submits work is imported by who submits some: logging alone begins sooner.
        from ml_workspace_lab.client.configs import NotebookRunConfig
        from ml_workspace_lab.client.repository import Repository
        from ml_workspace_lab.client.snapshot import take_snapshot
        from ml_workspace_lab.jobs.model import SubmitRun

        connection = self.workspace.connection
        job = config.job()
        overrides, notes = None, tuple[str, ...]()
        if isinstance(config, NotebookRunConfig):
            notes = tuple(config.notes)
            if config.content is not None:
                overrides = {config.notebook: config.content}
        git = Repository(config.folder())
        snapshot = take_snapshot(connection, config.folder(), overrides, notes)
        environment, python = config.environment, config.python
        if environment is not None and not isinstance(environment, str):
            environment = environment.register(self.workspace).reference
        elif environment is None and isinstance(connection, LocalConnection):
            # An interpreter of this machine means something to a workspace on this machine only.
            python = python or sys.executable
        body = SubmitRun(
            job=job,
            snapshot_id=snapshot.snapshot_id,
            run_id=new_id(),
            compute_target=config.compute_target,
            display_name=config.display_name,
            parent=parent.id if parent else None,
            tags=dict(config.tags),
            environment_variables=dict(config.environment_variables),
            timeout_seconds=config.timeout_seconds,
            python=python,
            environment=environment,
            cold=config.cold,
            resources=config.resources,
            retry=config.retry,
            priority=config.priority,
            after=config.waits_for(),
            inputs=config.wanted_inputs(),
            outputs=config.wanted_outputs(),
            resume_from=config.resumed(),
        )
        run = Run(self.workspace, connection.jobs.submit(self.name, body))
        git.describe(connection, run.id)
        run.snapshot_notes = tuple(snapshot.notes)
        return run

    def start_logging(
        self,
        display_name: str | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        snapshot_directory: str | Path | None = None,
        notebook: str | None = None,
        system_metrics: bool = False,
    ) -> Run:
        """An interactive run: this process does the work. Use it as a context manager, or end it
        with `complete()`; where the process dies first, the run is closed as Failed. With
        `system_metrics` it also logs what it uses of the machine (`Run.track_system`)."""
        snapshot_id, git = None, None
        if snapshot_directory is not None:
            from ml_workspace_lab.client.repository import Repository
            from ml_workspace_lab.client.snapshot import take_snapshot

            git = Repository(Path(snapshot_directory))
            snapshot = take_snapshot(self.workspace.connection, Path(snapshot_directory))
            snapshot_id = snapshot.snapshot_id
        run = start_interactive(
            self.workspace,
            self.name,
            display_name=display_name,
            tags=tags,
            snapshot_id=snapshot_id,
            notebook=notebook,
        )
        if git is not None:
            git.describe(self.workspace.connection, run.id)
        if system_metrics:
            run.track_system()
        return run

    def get_runs(self, limit: int = 100) -> list[Run]:
        """The newest runs, at most `limit`."""
        return self.workspace.runs(self.name, limit=limit)

    def update(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        remove_tags: Sequence[str] = (),
    ) -> ExperimentInfo:
        """Rename it, describe it, set or remove tags; what is None stays. Raises Conflict where the
        name is taken, NotFound before its first use."""
        change = UpdateExperiment(
            name=UNSET if name is None else name,
            description=UNSET if description is None else description,
            tags=dict(tags or {}),
            remove_tags=list(remove_tags),
        )
        info = self.workspace.connection.experiments.update(self.name, change)
        self.name = info.name
        return info

    def archive(self) -> ExperimentInfo:
        """Put it away: lists leave it out, everything in it stays."""
        return self.workspace.connection.experiments.archive(self.name)

    def reactivate(self) -> ExperimentInfo:
        """Take it out of the archive."""
        return self.workspace.connection.experiments.reactivate(self.name)

    def delete(self) -> ExperimentInfo:
        """Move it to the trash with all its runs. Raises Conflict while one of them goes on."""
        return self.workspace.connection.experiments.delete(self.name)

    def restore(self) -> ExperimentInfo:
        """Take it out of the trash, with the runs that were deleted with it."""
        return self.workspace.connection.experiments.restore(self.name)

    def __repr__(self) -> str:
        return f"Experiment({self.name!r} in {self.workspace.name!r})"
