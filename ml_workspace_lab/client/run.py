"""A run as its users hold it: log to it, read it, wait for it, end it."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import msgspec

from ml_workspace_lab.api.connection import Ownership
from ml_workspace_lab.client import open_runs
from ml_workspace_lab.client.metric_log import metric_log, metric_values
from ml_workspace_lab.client.run_family import RunFamily
from ml_workspace_lab.client.shipping import SHIPPER
from ml_workspace_lab.client.values import metric_numbers, numbers, warn_of_clock
from ml_workspace_lab.client.watch import follow
from ml_workspace_lab.errors import RunFailed, WorkspaceError
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import EndRun, RunInfo, RunState, StartRun
from ml_workspace_lab.storage.database import without_nul

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import ArrayLike, NDArray

    from ml_workspace_lab.client.model import Model
    from ml_workspace_lab.client.series import MetricHistory
    from ml_workspace_lab.client.system_metrics import SystemMetrics
    from ml_workspace_lab.client.workspace import Workspace


MAX_REASON = 10_000


class Run(RunFamily):
    """A run of an experiment."""

    snapshot_notes: Sequence[str] = ()
    """Of the run that was just submitted: what to know of its snapshot, such as large files that
    are not in it."""

    def __init__(
        self, workspace: "Workspace", info: RunInfo, ownership: Ownership | None = None
    ) -> None:
        super().__init__(workspace, info)
        self._ownership = ownership
        self._metrics = metric_log(workspace.connection, info.run_id)
        self._system_metrics: SystemMetrics | None = None

    @classmethod
    def get_context(cls, experiment: str | None = None) -> "Run":
        """The run that this code is part of.

        In a job it is the job's run. Elsewhere it is an interactive run of `experiment` (default:
        `interactive`), started by the first call, so that the same code works in both places.
        """
        from ml_workspace_lab.client.context import current_run

        return current_run(experiment)

    # Metrics

    def log(
        self, name: str, value: float, step: int | None = None, time: int | None = None
    ) -> None:
        """Log one value of a metric; without a step it takes the one after this object's last, or
        where it has none the one after the series' last, from 0; without a time (milliseconds since
        1970-01-01 UTC) it is now. Any time is kept; one that a clock of micro- or nanoseconds gives
        comes with a warning.

        When this returns, the value outlives this process. Raises InvalidInput on what is not a
        number, Conflict on a run that has ended.
        """
        if time is not None:
            warn_of_clock(time)
        self._metrics.log(name, value, step, time)

    def flush(self) -> None:
        """Bring all metrics that this object has logged into the store, where others search them.

        Raises StorageFull or Unavailable where that can't be done now; nothing is lost then.
        """
        self._metrics.flush()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one value of each of several metrics; where one is no number, none is logged."""
        for name, value in metric_numbers(metrics).items():
            self._metrics.log(name, value, step)

    def log_list(self, name: str, values: Sequence[float]) -> None:
        """Log several values of a metric at the next steps; where one is no number, none is."""
        for value in numbers(values, "values"):
            self._metrics.log(name, value, None)

    def track_system(self, interval_seconds: float = 10.0) -> None:
        """Log what the machine, this process with its children, and GPUs use, as `system/…` metrics
        every so many seconds (0.1 or more) until the run ends. Called again, the interval changes.
        """
        from ml_workspace_lab.client.system_metrics import SystemMetrics

        tracker = SystemMetrics(self.workspace.connection, self.id, interval_seconds)
        self._stop_tracking()
        self._system_metrics = tracker
        tracker.start()

    def _stop_tracking(self) -> None:
        if self._system_metrics is not None:
            self._system_metrics.stop()
            self._system_metrics = None

    def get_metrics(self, name: str | None = None, *, recursive: bool = False) -> dict[str, Any]:
        """Metrics by name: the value where one was logged, a list where there are more. With
        `recursive` also those of all child runs, by run id."""
        SHIPPER.flush(self.workspace.connection, self.id)
        found = metric_values(self.workspace.connection.metrics.get(self.id, name))
        if not recursive:
            return found
        below = {child.id: child.get_metrics(name) for child in self.get_children(recursive=True)}
        return {self.id: found, **below}

    def get_metric_history(self, name: str) -> "MetricHistory":
        """All values of a metric as numpy's arrays, by their times. Raises NotFound."""
        from ml_workspace_lab.client import series

        SHIPPER.flush(self.workspace.connection, self.id)
        return series.history(self.workspace.connection, self.id, name)

    def sample_metric(self, name: str, points: int = 1000) -> "MetricHistory":
        """At most `points` values of a metric that look as all of them do: no spike is left out.
        Raises NotFound."""
        from ml_workspace_lab.client import series

        SHIPPER.flush(self.workspace.connection, self.id)
        return series.history(self.workspace.connection, self.id, name, points)

    def log_series(
        self,
        name: str,
        values: "ArrayLike",
        steps: "Sequence[int] | NDArray[int64] | None" = None,
        times: "Sequence[int] | NDArray[int64] | None" = None,
    ) -> None:
        """Log many values of a metric at once: steps count on from its last one, times (ms, as with
        `log`) are now, where none are given. Raises InvalidInput, and keeps none, where one is no
        number."""
        from ml_workspace_lab.client import series

        SHIPPER.flush(self.workspace.connection, self.id)
        last = series.put(self.workspace.connection, self.id, name, values, steps, times)
        if last is not None:
            self._metrics.go_on(name, last)

    # Models

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

    def delete(self) -> None:
        """Move the run to the trash. Raises Conflict while it goes on."""
        self._info = self.workspace.connection.runs.delete(self.id)

    def restore(self) -> None:
        """Take the run out of the trash."""
        self._info = self.workspace.connection.runs.restore(self.id)

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
        said = without_nul(reason.encode("utf-8", "backslashreplace").decode())
        if len(said) > MAX_REASON:
            said = f"{said[:MAX_REASON]}… ({len(said):,} characters in all)"
        body = msgspec.convert({"state": state, "reason": said}, EndRun)
        self._stop_tracking()
        self._metrics.close()
        self._info = self.workspace.connection.runs.end(self.id, body)
        self._metrics.let_go()
        self._let_go()

    def _let_go(self) -> None:
        self._stop_tracking()
        if self._ownership is not None:
            self._ownership.release()
        open_runs.OPEN_RUNS.discard(self)

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
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.complete()
            return
        try:
            if isinstance(error, SystemExit):
                self.fail(open_runs.failed_exit(error.code))
            elif isinstance(error, KeyboardInterrupt):
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
    open_runs.add(run)
    return run
