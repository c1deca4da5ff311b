"""A run as its users hold it: log to it, read it, wait for it, end it."""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Self

import msgspec

from ml_workspace_lab.api.connection import Ownership
from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.client import tables
from ml_workspace_lab.client.metric_log import MetricLog, metric_values
from ml_workspace_lab.client.open_runs import OPEN_RUNS
from ml_workspace_lab.client.watch import follow
from ml_workspace_lab.errors import RunFailed, WorkspaceError
from ml_workspace_lab.experiments.model import (
    ArtifactInfo,
    EndRun,
    RunInfo,
    RunState,
    StartRun,
    StateChange,
    UpdateRun,
)
from ml_workspace_lab.experiments.service import new_id

if TYPE_CHECKING:
    from ml_workspace_lab.client.experiment import Experiment
    from ml_workspace_lab.client.model import Model
    from ml_workspace_lab.client.workspace import Workspace


MAX_REASON = 10_000


class Run:
    """A run of an experiment."""

    def __init__(
        self, workspace: "Workspace", info: RunInfo, ownership: Ownership | None = None
    ) -> None:
        self.workspace = workspace
        self._info = info
        self._ownership = ownership
        self._metrics = MetricLog(workspace.connection, info.run_id)

    @classmethod
    def get_context(cls, experiment: str | None = None) -> "Run":
        """The run that this code is part of.

        In a job it is the job's run. Elsewhere it is an interactive run of `experiment` (default:
        `interactive`), started by the first call, so that the same code works in both places.
        """
        from ml_workspace_lab.client.context import current_run

        return current_run(experiment)

    # What it is

    @property
    def id(self) -> str:
        return self._info.run_id

    @property
    def number(self) -> int:
        """Its place in its experiment, from 1."""
        return self._info.number

    @property
    def experiment(self) -> "Experiment":
        return self.workspace.experiment(self._info.experiment)

    @property
    def display_name(self) -> str:
        return self._info.display_name

    @property
    def listed(self) -> RunInfo:
        """The run as it was when this object last heard of it; `info()` asks."""
        return self._info

    def info(self) -> RunInfo:
        """The whole record as it is now."""
        self._info = self.workspace.connection.runs.get(self.id)
        return self._info

    def get_status(self) -> RunState:
        return self.info().state

    def get_details(self) -> dict[str, Any]:
        details: dict[str, Any] = msgspec.to_builtins(self.info())
        return details

    @property
    def status_history(self) -> list[StateChange]:
        """Every state that the run has been in, with time and reason."""
        return self.workspace.connection.runs.history(self.id).items

    @property
    def params(self) -> dict[str, Scalar]:
        return self.info().params

    @property
    def tags(self) -> dict[str, str]:
        return self.info().tags

    @property
    def properties(self) -> dict[str, str]:
        return self.info().properties

    # Logging

    def log(self, name: str, value: float, step: int | None = None) -> None:
        """Log one value of a metric; without a step it takes the next one, from 0.

        When this returns, the value outlives this process. Raises InvalidInput on what is not a
        number, Conflict on a run that has ended.
        """
        self._metrics.log(name, value, step)

    def log_list(self, name: str, values: Sequence[float]) -> None:
        """Log several values of a metric at the next steps."""
        for value in values:
            self._metrics.log(name, value, None)

    def log_image(self, name: str, path: str | Path | None = None, plot: Any = None) -> None:
        """Keep an image as the artifact `images/NAME.png`: a PNG file, or a matplotlib figure
        (or `matplotlib.pyplot` for the current one)."""
        self._put(f"images/{name}.png", tables.image(path, plot))

    def log_table(self, name: str, value: Mapping[str, Sequence[Any]]) -> None:
        """Keep a table, given as columns of equal length, as the artifact `tables/NAME.json`."""
        self._put(f"tables/{name}.json", tables.table(value))

    def log_param(self, name: str, value: Scalar) -> None:
        self.log_params({name: value})

    def log_params(self, params: Mapping[str, Scalar]) -> None:
        """Set parameters: text, numbers, flags or None."""
        self._update(params=tables.scalars(params))

    def tag(self, key: str, value: str = "") -> None:
        self._update(tags={key: value})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._update(tags=dict(tags))

    def remove_tags(self, keys: Sequence[str]) -> None:
        self._update(remove_tags=list(keys))

    def add_properties(self, properties: Mapping[str, str]) -> None:
        """Add properties; one that is set already never changes (Conflict)."""
        self._update(properties=dict(properties))

    def _update(self, **changes: Any) -> None:
        self._info = self.workspace.connection.runs.update(self.id, UpdateRun(**changes))

    # Reading

    def get_metrics(self, name: str | None = None, *, recursive: bool = False) -> dict[str, Any]:
        """Metrics by name: the value where one was logged, a list where there are more. With
        `recursive` also those of all child runs, by run id."""
        found = metric_values(self.workspace.connection.metrics.get(self.id, name))
        if not recursive:
            return found
        below = (child.get_metrics(name, recursive=True) for child in self.get_children())
        return {self.id: found, **{k: v for metrics in below for k, v in metrics.items()}}

    def get_log(self) -> str:
        """The whole log as it is now."""
        return "".join(self._log_parts())

    def _log_parts(self) -> Iterator[str]:
        offset = 0
        while True:
            part = self.workspace.connection.artifacts.log(self.id, offset)
            yield part.text
            if part.next >= part.size or part.next == offset:
                return
            offset = part.next

    # Artifacts

    def get_artifacts(self) -> list[ArtifactInfo]:
        return self.workspace.connection.artifacts.list(self.id).items

    def get_file_names(self) -> list[str]:
        return [artifact.path for artifact in self.get_artifacts()]

    def upload_file(self, name: str, path_or_stream: str | Path | BinaryIO) -> ArtifactInfo:
        """Keep a file, or what an open binary file still holds, as the artifact `name`."""
        if not isinstance(path_or_stream, str | Path):
            return self.workspace.connection.artifacts.put(self.id, name, path_or_stream)
        with Path(path_or_stream).open("rb") as content:
            return self.workspace.connection.artifacts.put(self.id, name, content)

    def upload_folder(self, name: str, path: str | Path) -> list[ArtifactInfo]:
        """Keep every file below a folder as artifacts below `name`."""
        root = Path(path)
        files = sorted(file for file in root.rglob("*") if file.is_file())
        return [self.upload_file(f"{name}/{f.relative_to(root).as_posix()}", f) for f in files]

    def read_artifact(self, name: str) -> bytes:
        """The bytes of an artifact. Raises NotFound."""
        return self.workspace.connection.artifacts.get(self.id, name).read()

    def download_file(self, name: str, output_path: str | Path | None = None) -> Path:
        """Copy an artifact to `output_path` (default: its own name here); where it lies now."""
        target = Path(output_path or Path(name).name)
        content = self.workspace.connection.artifacts.get(self.id, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for part in content.chunks():
                file.write(part)
        return target

    def _put(self, path: str, content: bytes) -> None:
        self.workspace.connection.artifacts.put(self.id, path, BytesIO(content))

    # Children, models

    def child_run(self, name: str | None = None) -> "Run":
        """An interactive run below this one; use it as a context manager."""
        return start_interactive(
            self.workspace, self._info.experiment, display_name=name, parent=self.id
        )

    def get_children(self) -> list["Run"]:
        return self.workspace.runs(parent=self.id, limit=None)

    @property
    def parent(self) -> "Run | None":
        parent = self._info.parent
        return self.workspace.run(parent) if parent else None

    def register_model(
        self,
        model_name: str,
        model_path: str = "outputs",
        *,
        tags: Mapping[str, str] | None = None,
        description: str = "",
    ) -> "Model":
        """Register a file or folder among this run's artifacts as a new version of a model."""
        from ml_workspace_lab.client.model import Model

        return Model.register(
            self.workspace,
            model_name,
            run=self,
            artifact_path=model_path,
            tags=tags,
            description=description,
        )

    # Its end

    def complete(self) -> None:
        """End this interactive run as Completed."""
        self._end("Completed", "")

    def fail(self, error_details: str = "") -> None:
        """End this interactive run as Failed, with the reason."""
        self._end("Failed", error_details)

    def cancel(self) -> None:
        """Ask for the end of the run: its code is interrupted, then ended."""
        self._info = self.workspace.connection.jobs.cancel(self.id)

    def wait_for_completion(
        self,
        show_output: bool = False,
        *,
        raise_on_error: bool = True,
        timeout_seconds: float | None = None,
        stream: IO[str] | None = None,
    ) -> RunInfo:
        """Wait for the end; with `show_output` the log is printed (to `stream`) as it grows.

        Raises RunFailed with the reason where the run failed or was canceled, unless
        `raise_on_error` is False; TimeoutError when `timeout_seconds` are over.
        """
        self._info = follow(self, show_output=show_output, seconds=timeout_seconds, stream=stream)
        if raise_on_error and self._info.state is not RunState.COMPLETED:
            raise RunFailed(f"Run {self.id} {self._info.state.lower()}: {self._info.reason}")
        return self._info

    def _end(self, state: str, reason: str) -> None:
        # The end must be written whatever the reason says: an exception's text may be anything.
        said = reason.encode("utf-8", "backslashreplace").decode()
        if len(said) > MAX_REASON:
            said = f"{said[:MAX_REASON]}… ({len(said):,} characters in all)"
        body = msgspec.convert({"state": state, "reason": said}, EndRun)
        self._metrics.close()
        self._info = self.workspace.connection.runs.end(self.id, body)
        self._let_go()

    def _let_go(self) -> None:
        if self._ownership is not None:
            self._ownership.release()
        OPEN_RUNS.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ownership is None or self.info().state.is_terminal:
            return  # A job's run is ended by its runner; this one was ended inside the block.
        if error is None:
            self.complete()
            return
        try:
            if isinstance(error, KeyboardInterrupt):
                self._end("Canceled", "Interrupted.")
            else:
                self.fail(f"{type(error).__name__}: {error}")
        except WorkspaceError as refusal:
            # Let go of it, and the background process closes it as Failed.
            error.add_note(f"The run could not be ended: {refusal}")
            self._let_go()

    def __repr__(self) -> str:
        return f"Run({self._info.experiment!r} #{self.number}, {self._info.state}, id={self.id!r})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        from ml_workspace_lab.client.card import run_bundle

        return run_bundle(self.workspace.name, self.info())


def start_interactive(
    workspace: "Workspace",
    experiment: str,
    *,
    display_name: str | None = None,
    parent: str | None = None,
    tags: Mapping[str, str] | None = None,
    snapshot_id: str | None = None,
    notebook: str | None = None,
) -> Run:
    """A run that this process owns: it is closed as Failed where the process dies first."""
    connection = workspace.connection
    run_id = new_id()
    # Owned before it exists: at no moment is there a run whose owner can't be told to be alive.
    ownership = connection.own(run_id)
    try:
        info = connection.runs.start(
            experiment,
            StartRun(
                run_id=run_id,
                display_name=display_name,
                parent=parent,
                tags=dict(tags or {}),
                snapshot_id=snapshot_id,
                notebook=notebook,
            ),
        )
    except BaseException:
        ownership.release()
        raise
    run = Run(workspace, info, ownership)
    OPEN_RUNS.add(run)
    return run
