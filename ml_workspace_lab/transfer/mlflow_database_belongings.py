"""What experiments of an MLflow database have beside their runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_workspace_lab.transfer import mlflow_traces as traces
from ml_workspace_lab.transfer.mlflow_files import UNREADABLE, told
from ml_workspace_lab.transfer.mlflow_source import SourceThing
from ml_workspace_lab.transfer.mlflow_spans import span_values
from ml_workspace_lab.transfer.mlflow_tables import Tables
from ml_workspace_lab.transfer.mlflow_traces import json_of

_WRAPPED = "mlflow_wrapped"
"""The name under which MLflow keeps the outputs of a record."""

_BY_EXPERIMENT = {
    "traces": ("trace", "trace_info", "request_id", "timestamp_ms, request_id"),
    "issues": ("issue", "issues", "issue_id", "created_timestamp, issue_id"),
    "scorers": ("scorer", "scorers", "scorer_name", "scorer_name"),
}
"""What each is, its table, its id, and the order of the oldest first."""
_DATASETS = (
    "SELECT d.dataset_id FROM evaluation_datasets d JOIN entity_associations a"
    " ON a.source_id = d.dataset_id WHERE a.source_type = 'evaluation_dataset'"
    " AND a.destination_type = 'experiment' AND a.destination_id = :experiment"
    " ORDER BY d.created_time, d.dataset_id"
)
_UNUSED = (
    "SELECT d.dataset_id FROM evaluation_datasets d WHERE NOT EXISTS"
    " (SELECT 1 FROM entity_associations a JOIN experiments e"
    " ON CAST(e.experiment_id AS CHAR(36)) = a.destination_id WHERE a.source_id = d.dataset_id"
    " AND a.source_type = 'evaluation_dataset' AND a.destination_type = 'experiment')"
    " ORDER BY d.dataset_id"
)
_OWNED = (
    ("span", "spans", "trace_id", "trace_info", "request_id"),
    ("assessment", "assessments", "trace_id", "trace_info", "request_id"),
    ("trace's tag", "trace_tags", "request_id", "trace_info", "request_id"),
    ("trace's metadata", "trace_request_metadata", "request_id", "trace_info", "request_id"),
    ("trace", "trace_info", "experiment_id", "experiments", "experiment_id"),
    ("issue", "issues", "experiment_id", "experiments", "experiment_id"),
    ("scorer", "scorers", "experiment_id", "experiments", "experiment_id"),
    ("scorer's version", "scorer_versions", "scorer_id", "scorers", "scorer_id"),
    ("evaluation dataset's record", "evaluation_dataset_records", "dataset_id",
     "evaluation_datasets", "dataset_id"),
)  # fmt: skip
"""What each row is, its table and the column that says whose it is, and whose column that is."""


class DatabaseBelongings:
    """Reads traces, issues, scorers and evaluation datasets. A part of one that is damaged is left
    out."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def ids(self, experiment: int) -> dict[str, list[str]]:
        found = {
            field: self._tables.ids(
                what,
                f"SELECT {key} FROM {table} WHERE experiment_id = :experiment ORDER BY {order}",  # noqa: S608
                table,
                experiment=experiment,
            )
            for field, (what, table, key, order) in _BY_EXPERIMENT.items()
        }
        needed = "evaluation_datasets", "entity_associations"
        datasets = self._tables.ids(
            "evaluation dataset", _DATASETS, *needed, experiment=str(experiment)
        )
        return {**found, "evaluation_datasets": datasets}

    def read(self, field: str, experiment: int, ids: Sequence[str]) -> list[SourceThing]:
        """These things, as far as they are there."""
        match field:
            case "traces":
                return list(self._traces(ids))
            case "scorers":
                return list(self._scorers(experiment, ids))
            case "issues":
                rows = self._tables.rows("issues", "issue_id", ids)
                return [SourceThing(row["issue_id"], _issue(row)) for row in rows]
            case _:
                return list(self._datasets(ids))

    def check_owners(self) -> None:
        """Leave out, and tell, what belongs to nothing that is there."""
        for what, table, column, owners, key in _OWNED:
            for owner, count in self._tables.without_owner(table, column, owners, key):
                reason = f"What {count} of them belong to is not there."
                self._tables.leave_out(what, f"of {owner}", reason)
        needed = "evaluation_datasets", "entity_associations"
        for dataset in self._tables.ids("evaluation dataset", _UNUSED, *needed):
            reason = "No experiment has it, and here one must."
            self._tables.leave_out("evaluation dataset", dataset, reason)

    def _traces(self, ids: Sequence[str]) -> Iterator[SourceThing]:
        tags = self._tables.pairs("trace_tags", "request_id", ids)
        metadata = self._tables.pairs("trace_request_metadata", "request_id", ids)
        spans = self._tables.by("spans", "trace_id", ids, "start_time_unix_nano, span_id")
        thoughts = self._tables.by("assessments", "trace_id", ids)
        links = self._tables.by("entity_associations", "source_id", ids)
        rows = {
            row["request_id"]: row for row in self._tables.rows("trace_info", "request_id", ids)
        }
        for id_ in ids:
            row, linked = rows[id_], links.get(id_, [])
            more_tags, more_metadata = traces.told_in_columns(row)
            values = {
                "trace_id": id_,
                "created": row["timestamp_ms"],
                "duration_ms": row["execution_time_ms"],
                "state": row["status"],
                **{name: row.get(name) for name in _AS_NAMED},
                "tags": traces.with_prompts(
                    {**tags.get(id_, {}), **more_tags}, _linked(linked, "prompt_version")
                ),
                "metadata": {**metadata.get(id_, {}), **more_metadata},
                "spans": list(self._parts("span", id_, _unarchived(spans.get(id_, [])))),
                "assessments": list(self._parts("assessment", id_, thoughts.get(id_, []))),
            }
            yield traces.thing(values, _linked(linked, "run"))

    def _scorers(self, experiment: int, names: Sequence[str]) -> Iterator[SourceThing]:
        rows = {
            row["scorer_name"]: row["scorer_id"]
            for row in self._tables.rows("scorers", "experiment_id", [experiment])
        }
        ids = [rows[name] for name in names]
        versions = self._tables.by("scorer_versions", "scorer_id", ids, "scorer_version")
        sampled = self._tables.by("online_scoring_configs", "scorer_id", ids)
        for name, id_ in zip(names, ids, strict=True):
            values: dict[str, Any] = {
                "name": name,
                "versions": [
                    {
                        "version": row["scorer_version"],
                        "content": row["serialized_scorer"],
                        "created": row["creation_time"] or 0,
                    }
                    for row in versions.get(id_, [])
                ],
            }
            for row in sampled.get(id_, []):
                share = row["sample_rate"]
                values["sampling"] = {"share": share, "filter": row["filter_string"]}
            yield SourceThing(name, values)

    def _datasets(self, ids: Sequence[str]) -> Iterator[SourceThing]:
        tags = self._tables.pairs("evaluation_dataset_tags", "dataset_id", ids)
        order = "created_time, dataset_record_id"
        records = self._tables.by("evaluation_dataset_records", "dataset_id", ids, order)
        for row in self._tables.rows("evaluation_datasets", "dataset_id", ids):
            id_ = row["dataset_id"]
            values = {
                "dataset_id": id_,
                "name": row["name"],
                "digest": row["digest"],
                "tags": tags.get(id_, {}),
                "fields": json_of(row["schema"], "schema"),
                "records": list(self._parts("record", id_, records.get(id_, []))),
                **_moments(row),
            }
            yield SourceThing(id_, values)

    def _parts(
        self, what: str, owner: str, rows: Sequence[Mapping[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """The parts of something, of their rows; those that are damaged are told."""
        key, read = _PARTS[what]
        for row in rows:
            try:
                values = read(row)
            except UNREADABLE as error:
                reason = f"It can't be read: {told(error)}"
                self._tables.leave_out(what, f"{owner}/{row[key]}", reason)
            else:
                yield values


def _unarchived(spans: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that are in the database: what has been put elsewhere has left an empty text."""
    return [row for row in spans if row["content"]]


def _linked(associations: Sequence[Mapping[str, Any]], kind: str) -> list[str]:
    return [
        row["destination_id"]
        for row in associations
        if (row["source_type"], row["destination_type"]) == ("trace", kind)
    ]


def _assessment(row: Mapping[str, Any]) -> dict[str, Any]:
    kind, value = row["assessment_type"], json_of(row["value"], "value")
    content = value if kind == "issue" else {"value": value}
    if row["error"] is not None:
        content = {**content, "error": json_of(row["error"], "error")}
    return traces.assessment(
        kind,
        content,
        assessment_id=row["assessment_id"],
        name=row["name"],
        source=traces.source_of(row["source_type"], row["source_id"]),
        rationale=row["rationale"],
        metadata=json_of(row["assessment_metadata"], "assessment_metadata"),
        span_id=row["span_id"],
        overrides=row["overrides"],
        valid=bool(row["valid"]),
        created=row["created_timestamp"],
        updated=row["last_updated_timestamp"],
    )


def _issue(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("issue_id", "name", "description", "status", "severity")},
        "root_causes": json_of(row["root_causes"], "root_causes") or [],
        "categories": json_of(row["categories"], "categories") or [],
        "source_run": row["source_run_id"],
        "created_by": row["created_by"],
        "created": row["created_timestamp"],
        "updated": row["last_updated_timestamp"],
    }


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    inputs, outputs, expectations, tags, source = (
        json_of(row[name], name) for name in ("inputs", "outputs", "expectations", "tags", "source")
    )
    if isinstance(outputs, dict) and outputs.keys() == {_WRAPPED}:
        outputs = outputs[_WRAPPED]
    return {
        "record_id": row["dataset_record_id"],
        "inputs": inputs,
        "outputs": outputs,
        "expectations": expectations,
        "tags": tags or {},
        "source": source
        and {"type": source["source_type"].upper(), "data": source.get("source_data") or {}},
        **_moments(row),
    }


def _moments(row: Mapping[str, Any]) -> dict[str, Any]:
    """When a dataset or a record was made and changed, and by whom."""
    return {
        "created": row["created_time"],
        "updated": row["last_update_time"],
        "created_by": row["created_by"],
        "updated_by": row["last_updated_by"],
    }


_AS_NAMED = ("client_request_id", "request_preview", "response_preview")
_PARTS = {
    "span": ("span_id", span_values),
    "assessment": ("assessment_id", _assessment),
    "record": ("dataset_record_id", _record),
}
"""The column that tells each part apart, and how it is read."""
