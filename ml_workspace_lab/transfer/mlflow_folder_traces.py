"""Traces in the folder of an experiment that MLflow kept before it had a database."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_workspace_lab.tracing.service import ARTIFACTS_TAG
from ml_workspace_lab.transfer import mlflow_traces as traces
from ml_workspace_lab.transfer.mlflow_files import Files, meta
from ml_workspace_lab.transfer.mlflow_source import SourceThing
from ml_workspace_lab.transfer.mlflow_traces import json_of

FOLDER = "traces"
_INFO = "trace_info.yaml"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = ("feedback", "expectation", "issue")


def ids(experiment: Path) -> list[str]:
    folder = experiment / FOLDER
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if path.is_dir())


def read(files: Files, experiment: Path, found: Sequence[str]) -> list[SourceThing]:
    """These traces; a part of one that is damaged is left out. Raises InvalidInput and the like
    where a trace itself is damaged."""
    return [_trace(files, experiment / FOLDER / id_) for id_ in found]


def _trace(files: Files, folder: Path) -> SourceThing:
    given = meta(folder, _INFO)
    tags = files.texts("tag", folder / "tags")
    tags.setdefault(ARTIFACTS_TAG, str(folder / "artifacts"))
    values = {
        **(_before_3(given) if "request_id" in given else _info(given)),
        "tags": tags,
        "metadata": files.texts("metadata", folder / "request_metadata"),
        "spans": [],
        "assessments": list(files.readable_files("assessment", folder / "assessments", _thought)),
    }
    return traces.thing(values, ())


def _info(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": given["trace_id"],
        "created": _moment(given["request_time"]),
        "duration_ms": given.get("execution_duration_ms"),
        "state": given.get("state", "STATE_UNSPECIFIED"),
        **{
            name: given.get(name)
            for name in ("client_request_id", "request_preview", "response_preview")
        },
    }


def _before_3(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": given["request_id"],
        "created": given["timestamp_ms"],
        "duration_ms": given.get("execution_time_ms"),
        "state": given["status"],
    }


def _thought(path: Path) -> dict[str, Any]:
    given = meta(path.parent, path.name)
    kind = next((kind for kind in _KINDS if kind in given), _KINDS[0])
    content = given[kind]
    if packed := content.get("serialized_value"):
        content = {"value": json_of(packed["value"], "serialized_value")}
    source = given["source"]
    return traces.assessment(
        kind,
        content,
        assessment_id=given["assessment_id"],
        name=given["assessment_name"],
        source=traces.source_of(source.get("source_type"), source.get("source_id")),
        rationale=given.get("rationale"),
        metadata=given.get("metadata"),
        span_id=given.get("span_id"),
        overrides=given.get("overrides"),
        valid=given.get("valid", True),
        created=_moment(given["create_time"]),
        updated=_moment(given["last_update_time"]),
    )


def _moment(stamp: object) -> int:
    """Milliseconds that a time of the calendar is."""
    return (datetime.fromisoformat(str(stamp)) - _EPOCH) // timedelta(milliseconds=1)
