"""What the stores of MLflow have of traces, as the values of a trace's record."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ml_workspace_lab.api.strict_json import loads
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.tracing.conditions import PROMPTS_TAG
from ml_workspace_lab.tracing.measured import COSTS, SESSION, TOKENS, USAGE
from ml_workspace_lab.tracing.service import ARTIFACTS_TAG, NAME_TAG, SOURCE_RUN
from ml_workspace_lab.transfer.mlflow_source import SourceThing

COST = "mlflow.trace.cost"
_USAGE = (*TOKENS, "cache_creation_input_tokens_above_1hr")
_STATES = {"UNSPECIFIED": "STATE_UNSPECIFIED", "TRACE_STATUS_UNSPECIFIED": "STATE_UNSPECIFIED"}
"""What the state of no trace was called before MLflow 3."""


def thing(values: dict[str, Any], runs: Iterable[str]) -> SourceThing:
    """A trace of these values, with the runs that it is linked to beside the one that made it.
    Where its files lie is told apart: here they lie elsewhere."""
    tags, metadata = dict(values["tags"]), values["metadata"]
    source = metadata.get(SOURCE_RUN)
    values = {
        **values,
        "is_told": True,
        "state": _STATES.get(values["state"], values["state"]),
        "runs": sorted({*runs, *([source] if source else [])}),
        "assessments": sorted(values["assessments"], key=_age),
    }
    uri = tags.pop(ARTIFACTS_TAG, "")
    return SourceThing(values["trace_id"], {**values, "tags": tags}, uri)


def told_in_columns(row: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The tags and metadata that newer databases keep in columns of their own."""
    tags, metadata = {}, {}
    if (name := row.get("trace_name")) is not None:
        tags[NAME_TAG] = name
    if (session := row.get("session_id")) is not None:
        metadata[SESSION] = session
    for key, columns in ((USAGE, _USAGE), (COST, COSTS)):
        told = {name: row[name] for name in columns if row.get(name) is not None}
        if told:
            metadata[key] = json.dumps(told)
    return tags, metadata


def with_prompts(tags: dict[str, str], linked: Iterable[str]) -> dict[str, str]:
    """The tags, with the prompts (NAME/VERSION) that the trace is linked to otherwise."""
    known = _listed(tags.get(PROMPTS_TAG, ""))
    parted = (one.rpartition("/") for one in linked)
    linked_as = ({"name": name, "version": version} for name, _, version in parted)
    new = [one for one in linked_as if one not in known]
    return {**tags, PROMPTS_TAG: json.dumps([*known, *new])} if new else tags


def _listed(text: str) -> list[Any]:
    """What a tag lists; nothing where it holds something else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def assessment(kind: str, content: dict[str, Any], **values: Any) -> dict[str, Any]:
    """The values of an assessment's record. What its error does not tell is left away."""
    error = content.get("error")
    if isinstance(error, dict):
        told = {name: value for name, value in error.items() if value is not None}
        content = {**content, "error": told}
    metadata = {key: str(value) for key, value in (values["metadata"] or {}).items()}
    return {"kind": kind, "content": content, **values, "metadata": metadata}


def source_of(kind: object, id_: object) -> dict[str, Any]:
    found = {"source_type": kind, "source_id": id_}
    return {name: value for name, value in found.items() if value is not None}


def json_of(value: Any, name: str) -> Any:
    """What a column of JSON says; databases with a type for JSON have read it already. Raises
    InvalidInput that names the column."""
    if not isinstance(value, str):
        return value
    try:
        return loads(value.encode())
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error.message}") from None


def _age(one: Mapping[str, Any]) -> tuple[int, str]:
    return one["created"], one["assessment_id"]
