"""Metrics of a run: appended to journals while it goes on, read as series."""

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Key, Nothing, RunId, number_from_wire
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments import series
from ml_workspace_lab.experiments.model import (
    LogMetrics,
    MetricSeriesList,
    MetricSummary,
)
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.journal import JournalWriter, read_points


class Metrics(Service):
    """Named values over steps."""

    @operation("GET", "/runs/{run_id}/metrics", action="experiments/runs/read")
    def get(self, run_id: RunId, name: Key | None = None) -> MetricSeriesList:
        """The values of every metric of the run, or of one."""
        self.services.runs.get(run_id)
        points = read_points(self.storage.run(run_id).metrics)
        return MetricSeriesList(series.series(points, name))

    @operation(
        "POST",
        "/runs/{run_id}/metrics",
        action="experiments/runs/write",
        audited=False,
        body_limit=64 * 1024 * 1024,
    )
    def log(self, run_id: RunId, body: LogMetrics) -> Nothing:
        """Add points; they are kept when this returns. Raises Conflict on a run that has ended."""
        writer = self.writer(run_id)
        try:
            for point in body.points:
                writer.append(
                    point.name,
                    point.step,
                    now() if point.time is None else point.time,
                    number_from_wire(point.value),
                )
        finally:
            writer.close()
        return Nothing()

    def writer(self, run_id: str) -> JournalWriter:
        """A journal of its own for a process that logs to the run."""
        run = self.services.runs.get(run_id)
        if run.state.is_terminal:
            raise Conflict(
                f"Run {run_id} is {run.state} and takes no more metrics.",
                hint="Start a new run, or a child of this one.",
            )
        return JournalWriter(self.storage.run(run_id).metrics)

    def summaries(self, run_id: str) -> dict[str, MetricSummary]:
        points = read_points(self.storage.run(run_id).metrics)
        return {one.name: series.summary(one) for one in series.series(points)}
