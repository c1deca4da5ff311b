"""Metrics through the folder and through the server: whole, once, readable at once."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.model import LogMetrics, MetricPoint, RunState
from ml_workspace_lab.storage.journal import FIRST_SEGMENT, SEGMENT
from tests.conftest import eventually

MANY = FIRST_SEGMENT + SEGMENT + 100


def test_every_value_comes_back_whole(either: Workspace) -> None:
    values = [0.0, -0.0, 1e-308, 1.7976931348623157e308, math.inf, -math.inf, math.nan]
    steps = [-(2**63), 2**63 - 1, 0, 1, 2, 3, 4]
    with either.experiment("whole").start_logging() as run:
        for value, step in zip(values, steps, strict=True):
            run.log("ü/ m:1", value, step)
        for found in (run.get_metric_history("ü/ m:1"), None):
            found = found or run.get_metric_history("ü/ m:1")
            assert found.steps.tolist() == steps
            assert [repr(v) for v in found.values.tolist()] == [repr(v) for v in values]
    after = run.get_metric_history("ü/ m:1")
    assert [repr(v) for v in after.values.tolist()] == [repr(v) for v in values]


def test_times_in_ms_and_ns_are_kept(either: Workspace) -> None:
    ms, ns = 1_700_000_000_000, 1_700_000_000_000_000_001
    with either.experiment("times").start_logging() as run:
        run.log("m", 1, 0, time=ms)
        run.log_series("s", [1], times=[ms])
        for time in (ns, np.int64(ns)):
            with pytest.warns(UserWarning, match="nanoseconds: give time // 1000000"):
                run.log("m", 2, 1, time=time)  # type: ignore[arg-type]
        with pytest.warns(UserWarning, match="nanoseconds: give time // 1000000") as told:
            run.log_series("s", [1, 2], times=[ms, ns])
        # Whatever else is warned of meanwhile comes from elsewhere.
        assert __file__ in [one.filename for one in told if one.category is UserWarning]
    assert run.get_metric_history("m").times.tolist() == [ms, ns, ns]
    assert run.get_metric_history("s").times.tolist() == [ms, ms, ns]


def test_what_is_logged_is_seen_at_once(either: Workspace) -> None:
    with either.experiment("seen").start_logging() as run:
        for step in range(50):
            run.log("m", step)
            assert len(run.get_metric_history("m")) == step + 1
        run.flush()
        assert either.run(run.id).info().metrics["m"].last == 49


def test_a_summary_says_the_least_the_greatest_and_the_last(either: Workspace) -> None:
    with either.experiment("summary").start_logging() as run:
        for step, value in enumerate([3.0, math.nan, -1.0, 2.0]):
            run.log("m", value, step)
    summary = run.info().metrics["m"]
    assert (summary.count, summary.last, summary.last_step) == (4, 2.0, 3)
    assert (summary.min, summary.min_step, summary.max, summary.max_step) == (-1.0, 2, 3.0, 0)


def test_many_segments_lose_and_double_nothing(either: Workspace) -> None:
    with either.experiment("many").start_logging() as run:
        for step in range(MANY):
            run.log("m" if step % 3 else "n", step * 0.5, step)
    m, n = run.get_metric_history("m"), run.get_metric_history("n")
    assert sorted([*m.steps.tolist(), *n.steps.tolist()]) == list(range(MANY))
    assert (m.values == m.steps * 0.5).all()


def test_a_series_is_written_at_once(either: Workspace) -> None:
    with either.experiment("series").start_logging() as run:
        run.log_series("m", [1, 2, 3])
        run.log_series("m", np.array([4.0, 5.0], dtype=np.float32))
        run.log_series("t", [1.5], steps=[7], times=[1000])
    assert run.get_metric_history("m").steps.tolist() == [0, 1, 2, 3, 4]
    assert run.get_metric_history("m").values.tolist() == [1, 2, 3, 4, 5]
    assert run.get_metric_history("t").times.tolist() == [1000]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((["a"],), "values"),
        (([[1, 2]],), "values"),
        (([1, 2], [0]), "steps"),
        (([1], [0.5]), "steps"),
        (([1], [0], [1, 2]), "times"),
        (([1], [2**63]), "steps"),
    ],
)
def test_a_series_that_fits_nothing_is_refused_whole(
    ws: Workspace, arguments: tuple[list[object], ...], field: str
) -> None:
    with ws.experiment("series").start_logging() as run:
        with pytest.raises(InvalidInput) as refusal:
            run.log_series("m", *arguments)  # type: ignore[arg-type]
        assert refusal.value.field == field
        assert run.get_metrics() == {}


def test_a_long_series_is_sampled_with_its_spikes(either: Workspace) -> None:
    values = np.zeros(200_000)
    values[123_456] = 7
    with either.experiment("sample").start_logging() as run:
        run.log_series("m", values)
    sample = run.sample_metric("m", 500)
    assert len(sample) <= 500
    assert (sample.values.max(), sample.steps[-1]) == (7, 199_999)
    assert len(run.get_metric_history("m")) == 200_000


def test_pages_make_the_whole_series(either: Workspace) -> None:
    with either.experiment("pages").start_logging() as run:
        run.log_series("m", range(250))
    found: list[int] = []
    start: int | None = 0
    while start is not None:
        page = either.connection.metrics.page(run.id, "m", start=start, limit=100)
        found += page.series.steps
        start = page.next
    assert found == list(range(250))


def test_a_metric_that_is_not_there_is_not_found(either: Workspace) -> None:
    with either.experiment("none").start_logging() as run, pytest.raises(NotFound):
        run.get_metric_history("m")


def test_points_that_are_unique_are_kept_once(either: Workspace) -> None:
    points = [MetricPoint("m", 1.0, 0, 5), MetricPoint("m", 1.0, 0, 5), MetricPoint("m", 2.0, 0, 5)]
    with either.experiment("unique").start_logging() as run:
        for _ in range(3):
            either.connection.metrics.log(run.id, LogMetrics(points, unique=True))
        assert len(run.get_metric_history("m")) == 2
        either.connection.metrics.log(run.id, LogMetrics(points))
        assert len(run.get_metric_history("m")) == 5


def test_an_ended_run_takes_no_more(either: Workspace) -> None:
    run = either.experiment("ended").start_logging()
    run.log("m", 1)
    run.complete()
    with pytest.raises(Conflict):
        run.log("m", 2)
    with pytest.raises(Conflict):
        either.run(run.id).log("m", 2)
    with pytest.raises(Conflict):
        run.log_series("m", [2])
    assert run.get_metrics() == {"m": 1.0}


def _log_in_child(run: Run, worker: int) -> None:
    for step in range(1000):
        run.log("m", worker, worker * 1000 + step)


def test_children_of_a_fork_log_to_journals_of_their_own(either: Workspace) -> None:
    context = multiprocessing.get_context("fork")
    with either.experiment("forks").start_logging() as run:
        run.log("m", 0, 0)
        workers = [context.Process(target=_log_in_child, args=(run, n)) for n in (1, 2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        run.log("m", 0, 1)
    assert sorted(run.get_metric_history("m").steps.tolist()) == [0, 1, *range(1000, 3000)]


LOG_UNTIL_KILLED = """
import sys
from ml_workspace_lab import Workspace
run = Workspace.open(sys.argv[1]).experiment("killed").start_logging()
print(run.id, flush=True)
step = 0
while True:
    for _ in range(1000):
        run.log("m", step, step)
        step += 1
    print(step, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 40, 300])
def test_what_returned_before_a_kill_is_kept_and_the_run_is_closed(
    ws: Workspace, tmp_path: Path, lines: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LOG_UNTIL_KILLED, ws.location], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    for _ in range(lines):
        returned = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run = ws.run(run_id)
    eventually(lambda: run.get_status() is RunState.FAILED)
    steps = run.get_metric_history("m").steps.tolist()
    assert len(steps) >= returned
    assert steps == list(range(len(steps)))
    assert run.info().metrics["m"].count == len(steps)
