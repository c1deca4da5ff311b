"""MLflow's runs and models as records of a workspace. What has no place in one is reported."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ml_workspace_lab.api.types import Text, number_to_wire
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.model import MetricSummary, RunState
from ml_workspace_lab.experiments.points import Points, as_columns
from ml_workspace_lab.experiments.records import ArtifactRecord, RunRecord
from ml_workspace_lab.models.logged_model import LoggedModelFile
from ml_workspace_lab.models.records import LoggedModelRecord
from ml_workspace_lab.storage.digests import sha256
from ml_workspace_lab.transfer.mlflow_source import (
    SourceExperiment,
    SourceInput,
    SourceModel,
    SourceRun,
)
from ml_workspace_lab.transfer.report import ImportReport, fitting_name, keep_fitting

NAME, USER, PARENT, NOTE = (
    "mlflow.runName",
    "mlflow.user",
    "mlflow.parentRunId",
    "mlflow.note.content",
)
CONTEXT = "mlflow.data.context"
NAME_LENGTH = 255
PACKED = 64
"""Series of so many points are worth being compressed."""

STATES = {
    "FINISHED": RunState.COMPLETED,
    "FAILED": RunState.FAILED,
    "KILLED": RunState.CANCELED,
    "RUNNING": RunState.RUNNING,
    "SCHEDULED": RunState.NOT_STARTED,
}


def experiment_name(experiment: SourceExperiment, report: ImportReport) -> str:
    """The name that an experiment has here: its own, or one that no other's becomes."""
    name = experiment.name
    if fitting_name(name, NAME_LENGTH, "") != name:
        told_apart = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        begin = fitting_name(name, NAME_LENGTH - len(told_apart) - 1, f"MLflow {experiment.id}")
        name = f"{begin} {told_apart}"
        report.leave_out("experiment's name", experiment.id, f"It is called {name!r} here.")
    return name


def fitting_tags(experiment: SourceExperiment, report: ImportReport) -> dict[str, str]:
    return keep_fitting(experiment.tags, Text, report, "tag", f"experiment {experiment.id}")


def run_record(
    run: SourceRun,
    artifacts: Sequence[ArtifactRecord],
    deleted: int | None,
    report: ImportReport,
) -> RunRecord:
    """The record of a run. Raises InvalidInput where it can't be kept at all."""
    created = run.start or 0
    state = STATES.get(run.status)
    if state is None:
        raise InvalidInput(f"Its status {run.status!r} is unknown.")
    params = keep_fitting(run.params, Text, report, "parameter", run.id)
    tags = keep_fitting(run.tags, Text, report, "tag", run.id)
    name = run.name or tags.get(NAME, "")
    shown = fitting_name(name, NAME_LENGTH, run.id)
    if name and shown != name:
        report.leave_out("run's name", run.id, f"It is called {shown!r} here.")
    ended = run.end if state.is_terminal else None
    history = [{"state": RunState.NOT_STARTED, "time": created, "reason": ""}]
    if state is not RunState.NOT_STARTED:
        history.append({"state": RunState.RUNNING, "time": created, "reason": ""})
    if state.is_terminal:
        history.append({"state": state, "time": created if ended is None else ended, "reason": ""})
    lineage = [found for one in run.inputs if (found := _lineage(one, run, created, report))]
    values = {
        "run_id": run.id,
        "kind": "external",
        "display_name": shown,
        "state": state,
        "user": run.user or tags.get(USER, "") or "mlflow",
        "created": created,
        "description": tags.get(NOTE, ""),
        "parent": tags.get(PARENT),
        "started": None if state is RunState.NOT_STARTED else created,
        "ended": created if state.is_terminal and ended is None else ended,
        "deleted": deleted,
        "params": params,
        "tags": {**tags, NAME: name} if name else tags,
        "history": history,
        "artifacts": list(map(msgspec.to_builtins, artifacts)),
        "lineage": lineage,
    }
    try:
        return msgspec.convert(values, RunRecord)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error)) from None


def metrics(run: SourceRun, report: ImportReport) -> dict[str, Points]:
    """The metrics of a run."""
    fitting = keep_fitting(run.metrics, None, report, "metric", run.id)
    return {
        name: as_columns(found) if len(found[0]) >= PACKED else found
        for name, found in fitting.items()
    }


def check_latest(run: SourceRun, known: Mapping[str, MetricSummary], report: ImportReport) -> None:
    """Report metrics whose newest value the store tells otherwise than their history."""
    for name, (value, step, time) in run.latest.items():
        newest = known.get(name)
        wanted = number_to_wire(value), step, time
        if newest is None or (newest.last, newest.last_step, newest.last_time) != wanted:
            reason = f"{name!r}: the store says other than the end of its history."
            report.leave_out("latest value", run.id, reason)


def logged_model(
    model: SourceModel, files: Sequence[LoggedModelFile], report: ImportReport
) -> LoggedModelRecord:
    """The record of a logged model. Raises InvalidInput where it can't be kept at all."""
    values = {
        "model_id": model.id,
        "name": fitting_name(model.name, NAME_LENGTH, model.id),
        "model_type": model.model_type,
        "status": model.status.lower(),
        "status_message": model.status_message,
        "created": model.created,
        "updated": model.updated,
        "deleted": model.updated if model.deleted else None,
        "run_id": model.run,
        "params": keep_fitting(model.params, Text, report, "parameter", model.id),
        "tags": keep_fitting(model.tags, Text, report, "tag", model.id),
        "files": list(map(msgspec.to_builtins, files)),
        "metrics": [
            {
                "name": one.name,
                "value": number_to_wire(one.value),
                "step": one.step,
                "time": one.time,
                "run_id": one.run,
                "dataset_name": one.dataset_name,
                "dataset_digest": one.dataset_digest,
            }
            for one in model.metrics
        ],
    }
    try:
        return msgspec.convert(values, LoggedModelRecord)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error)) from None


def _lineage(
    given: SourceInput, run: SourceRun, created: int, report: ImportReport
) -> dict[str, Any] | None:
    tags = dict(given.tags)
    context = tags.pop(CONTEXT, "")
    data = {**given.data, "tags": tags} if given.kind == "dataset" else given.data
    item = {
        "direction": given.direction,
        "kind": given.kind,
        "name": given.name,
        "digest": given.digest,
        "context": context,
        "data": data,
    }
    if given.kind not in ("dataset", "model"):
        report.leave_out("input", run.id, f"{given.name!r} is a {given.kind}.")
        return None
    return {"item": item, "created": created}
