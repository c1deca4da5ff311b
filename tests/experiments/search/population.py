"""Runs of every sort in a workspace, and what each of them has, as plain Python."""

import math
import random
from typing import Any, NamedTuple

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.model import (
    EndRun,
    LogMetrics,
    MetricPoint,
    RunInfo,
    StartRun,
    UpdateRun,
)
from ml_workspace_lab.experiments.search.runs import words
from tests.experiments.search.filters import KEYS, METRICS, NUMBERS, TEXTS

BEGAN = 1_790_000_000_000
SIZE = 60


class Known(NamedTuple):
    """A run as the tests know it: attributes with `status` as all words for it, metrics as
    (count, last, min, max), datasets as pairs of field and value."""

    info: RunInfo
    attributes: dict[str, Any]
    metrics: dict[str, tuple[float, float, float, float]]
    texts: dict[str, dict[str, str]]
    datasets: list[dict[str, str]]


class Population(dict[str, Known]):
    """Runs by id."""

    def __repr__(self) -> str:
        return f"{len(self)} runs"


def populate(workspace: Workspace, seed: int = 1) -> None:
    """Add runs: some are equal in everything, some have nothing, some have ended."""
    chance = random.Random(seed)
    connection = workspace.connection
    for number in range(SIZE):
        run_id = f"{number:032x}"
        some = {key: chance.choice(TEXTS) for key in KEYS[:3] if chance.random() < 0.7}
        connection.runs.start(
            chance.choice(["one", "two", "x" * 64]),
            StartRun(
                run_id=run_id,
                kind="external",
                created=BEGAN + 5000 * (number // 3),
                display_name=chance.choice([None, "cnn", "Ünï%_", "x" * 70]),
                parent=f"{chance.randrange(number):032x}" if number % 4 == 3 else None,
                params={**some, **({"lr": chance.choice(NUMBERS[:6])} if number % 2 else {})},
                tags={key: chance.choice(TEXTS) for key in KEYS[:3] if chance.random() < 0.7},
                notebook=chance.choice([None, "cnn", "a\\b"]),
            ),
        )
        points = [
            MetricPoint(name, _wire(chance.choice([*NUMBERS, math.nan])), step, 1)
            for name in METRICS[:3]
            if chance.random() < 0.7
            for step in range(chance.randrange(1, 4))
        ]
        points.append(MetricPoint("flat", 1.0, 0, 1))
        connection.metrics.log(run_id, LogMetrics(points if number % 5 else points[:-1]))
        properties = {"model": chance.choice(TEXTS)} if number % 3 else {}
        description = chance.choice(["", "cnn", "x" * 300])
        connection.runs.update(run_id, UpdateRun(description=description, properties=properties))
        _end(workspace, run_id, number, chance)
    _add_datasets(workspace, chance)


def known(workspace: Workspace) -> Population:
    """All runs by id."""
    database = workspace.connection.storage.database  # type: ignore[attr-defined]
    rows = {row["uid"]: row for row in database.all("SELECT id, uid, experiment FROM run")}
    inputs = database.all("SELECT * FROM lineage")
    found = Population()
    for uid, row in rows.items():
        datasets = [
            {name: one[name] for name in ("name", "digest", "context")}
            for one in inputs
            if one["run"] == row["id"] and one["kind"] == "dataset" and one["direction"] == "input"
        ]
        info = workspace.connection.runs.get(uid)
        found[uid] = Known(
            info,
            _attributes(info, row["experiment"]),
            {name: _four(metric) for name, metric in info.metrics.items()},
            {
                "param": {key: str(value) for key, value in info.params.items()},
                "tag": info.tags,
                "property": info.properties,
            },
            datasets,
        )
    return found


def _attributes(run: RunInfo, experiment: int) -> dict[str, Any]:
    begun = run.started if run.started is not None else run.created
    return {
        "run_id": run.run_id,
        "run_name": run.display_name,
        "number": run.number,
        "status": words(run.state),
        "kind": run.kind,
        "experiment": run.experiment,
        "experiment_id": str(experiment),
        "user_id": run.user,
        "start_time": run.created,
        "end_time": run.ended,
        "started": run.started,
        "duration": None if run.ended is None else run.ended - begun,
        "parent": run.parent,
        "compute_target": run.compute_target,
        "notebook": run.notebook,
        "snapshot_id": run.snapshot_id,
        "reason": run.reason or None,
        "deleted": run.deleted,
        "description": run.description or None,
        "artifact_uri": f"mlflow-artifacts:/{experiment}/{run.run_id}/artifacts",
    }


def _four(metric: Any) -> tuple[float, float, float, float]:
    low, high = (math.nan if one is None else float(one) for one in (metric.min, metric.max))
    return metric.count, float(metric.last), low, high


def _end(workspace: Workspace, run_id: str, number: int, chance: random.Random) -> None:
    if number % 3 == 0:
        state = chance.choice(["Completed", "Failed", "Canceled"])
        ended = BEGAN + 5000 * (number // 3) + chance.choice([0, 500, 60_000])
        workspace.connection.runs.end(run_id, EndRun(state, ended=ended))


def _add_datasets(workspace: Workspace, chance: random.Random) -> None:
    database = workspace.connection.storage.database  # type: ignore[attr-defined]
    with database.write() as transaction:
        for row in transaction.all("SELECT id FROM run ORDER BY id"):
            for index in range(chance.randrange(3)):
                transaction.insert(
                    "lineage",
                    run=row["id"],
                    direction=chance.choice(["input", "input", "output"]),
                    kind=chance.choice(["dataset", "dataset", "model"]),
                    name=chance.choice(TEXTS),
                    digest=f"{index}",
                    context=chance.choice(TEXTS),
                    created=0,
                )


def _wire(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
