"""Reading MLflow's database: SQLite by itself, others through SQLAlchemy where it is installed."""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.storage.marks import marks_of
from ml_workspace_lab.transfer.mlflow_database_belongings import DatabaseBelongings
from ml_workspace_lab.transfer.mlflow_source import (
    SourceExperiment,
    SourceInput,
    SourceMetric,
    SourceModel,
    SourceRegistered,
    SourceRun,
    SourceThing,
    SourceVersion,
)
from ml_workspace_lab.transfer.mlflow_tables import Query, Tables
from ml_workspace_lab.transfer.report import NotMapped

_ELSEWHERE = ("webhooks", "review_queues", "label_schemas", "endpoints", "mcp_servers")
"""Tables of what is not taken; `endpoints` are those of MLflow's gateway."""
NO_MODEL = "The model that it belongs to is not there."
_NEEDED = {"experiments", "runs", "metrics", "params", "tags"}


class DatabaseSource:
    """An MLflow store in a database. Columns and tables that its release hasn't got are empty."""

    def __init__(self, query: Query, tables: set[str]) -> None:
        if lacking := sorted(_NEEDED - tables):
            raise InvalidInput(
                f"This is not a database of MLflow: it has no table {lacking[0]}.", field="source"
            )
        self._query = query
        self._tables = Tables(query, tables)
        self._belongings = DatabaseBelongings(self._tables)

    def experiments(self) -> list[SourceExperiment]:
        tags = self._tables.pairs("experiment_tags", "experiment_id")
        return [
            SourceExperiment(
                id=str(row["experiment_id"]),
                name=row["name"],
                deleted=row["lifecycle_stage"] == "deleted",
                created=row.get("creation_time"),
                updated=row.get("last_update_time"),
                tags=tags.get(row["experiment_id"], {}),
            )
            for row in self._tables.rows("experiments", order="experiment_id")
        ]

    def run_ids(self, experiment: str) -> Sequence[str]:
        rows = self._query(
            "SELECT run_uuid FROM runs WHERE experiment_id = :id ORDER BY start_time, run_uuid",
            {"id": int(experiment)},
        )
        return [row["run_uuid"] for row in rows]

    def runs(self, ids: Sequence[str]) -> list[SourceRun]:
        found = {row["run_uuid"]: _run(row) for row in self._tables.rows("runs", "run_uuid", ids)}
        for table in ("params", "tags"):
            for row in self._tables.rows(table, "run_uuid", ids):
                if self._tables.is_text(table, row["run_uuid"], row["key"], row["value"]):
                    getattr(found[row["run_uuid"]], table)[row["key"]] = row["value"] or ""
        marks, named = marks_of(ids)
        # By place, not by name: there are millions of these.
        points: dict[tuple[str, str], list[Any]] = {}
        for row in self._query(
            "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics"  # noqa: S608
            f" WHERE run_uuid IN ({marks})",
            named,
            plain=True,
        ):
            points.setdefault((row[0], row[1]), []).append(row)
        for (run, name), rows in points.items():
            found[run].metrics[name] = (
                array("q", [row[2] for row in rows]),
                array("q", [row[3] for row in rows]),
                array("d", [math.nan if row[5] else row[4] for row in rows]),
            )
        for row in self._tables.rows("latest_metrics", "run_uuid", ids):
            value = math.nan if row["is_nan"] else row["value"]
            found[row["run_uuid"]].latest[row["key"]] = value, row["step"], row["timestamp"]
        self._add_inputs(found)
        return [found[uid] for uid in ids if uid in found]

    def logged_models(self, experiment: str) -> list[SourceModel]:
        rows = list(self._tables.rows("logged_models", "experiment_id", [int(experiment)]))
        ids = [row["model_id"] for row in rows]
        params = self._tables.pairs(
            "logged_model_params", "model_id", ids, "param_key", "param_value"
        )
        tags = self._tables.pairs("logged_model_tags", "model_id", ids, "tag_key", "tag_value")
        found = {
            row["model_id"]: SourceModel(
                id=row["model_id"],
                name=row["name"],
                status=_model_status(row["status"]),
                created=row["creation_timestamp_ms"],
                updated=row["last_updated_timestamp_ms"],
                model_type=row["model_type"] or "",
                status_message=row["status_message"] or "",
                deleted=row["lifecycle_stage"] == "deleted",
                run=row["source_run_id"],
                artifact_uri=row["artifact_location"],
                params=params.get(row["model_id"], {}),
                tags=tags.get(row["model_id"], {}),
            )
            for row in rows
        }
        for row in self._tables.rows("logged_model_metrics", "model_id", ids):
            value = math.nan if row["metric_value"] is None else row["metric_value"]
            found[row["model_id"]].metrics.append(
                SourceMetric(
                    row["metric_name"],
                    value,
                    row["metric_step"],
                    row["metric_timestamp_ms"],
                    row["run_id"],
                    row["dataset_name"] or "",
                    row["dataset_digest"] or "",
                )
            )
        return list(found.values())

    def registered_models(self) -> list[SourceRegistered]:
        tags = self._tables.pairs("registered_model_tags", "name")
        found = {
            row["name"]: SourceRegistered(
                name=row["name"],
                created=row["creation_time"] or 0,
                updated=row["last_updated_time"] or 0,
                description=row["description"] or "",
                tags=tags.get(row["name"], {}),
            )
            for row in self._tables.rows("registered_models", order="name")
        }
        for row in self._tables.rows("registered_model_aliases"):
            if row["name"] in found:
                found[row["name"]].aliases[row["alias"]] = row["version"]
            else:
                self._tables.leave_out("alias", f"{row['name']}/{row['alias']}", NO_MODEL)
        version_tags: dict[tuple[str, int], dict[str, str]] = {}
        for row in self._tables.rows("model_version_tags"):
            owner = row["name"], row["version"]
            where = f"{row['name']}/{row['version']}"
            if self._tables.is_text("tags", where, row["key"], row["value"]):
                version_tags.setdefault(owner, {})[row["key"]] = row["value"] or ""
        for row in self._tables.rows("model_versions", order="version"):
            tagged = version_tags.get((row["name"], row["version"]), {})
            if row["name"] not in found:
                self._tables.leave_out("model version", f"{row['name']}/{row['version']}", NO_MODEL)
            elif row["current_stage"] != "Deleted_Internal":
                found[row["name"]].versions.append(_version(row, tagged))
        return list(found.values())

    def belongings(self, experiment: str) -> Mapping[str, Sequence[str]]:
        return self._belongings.ids(int(experiment))

    def things(self, field: str, experiment: str, ids: Sequence[str]) -> list[SourceThing]:
        return self._belongings.read(field, int(experiment), ids)

    def others(self) -> Iterator[tuple[str, int]]:
        for table in _ELSEWHERE:
            yield table, self._tables.count(table)

    def unread(self) -> list[NotMapped]:
        self._belongings.check_owners()
        return list(self._tables.unread.values())

    def _add_inputs(self, runs: dict[str, SourceRun]) -> None:
        ids = list(runs)
        rows = [
            *(("input", row["destination_id"], row["source_type"], row["source_id"], row)
              for row in self._tables.rows("inputs", "destination_id", ids)),
            *(("output", row["source_id"], row["destination_type"], row["destination_id"], row)
              for row in self._tables.rows("inputs", "source_id", ids)),
        ]  # fmt: skip
        datasets = {
            row["dataset_uuid"]: row
            for row in self._tables.rows("datasets", "dataset_uuid", [row[3] for row in rows])
        }
        tags = self._tables.pairs(
            "input_tags", "input_uuid", [row[4]["input_uuid"] for row in rows], "name"
        )
        for direction, run, kind, thing, row in rows:
            given = SourceInput(direction, "model", thing, tags=tags.get(row["input_uuid"], {}))
            if kind == "DATASET":
                given.kind = "dataset"
                _describe(given, datasets[thing])
            elif direction == "output":
                given.data = {"step": row.get("step") or 0}
            runs[run].inputs.append(given)


def _run(row: Mapping[str, Any]) -> SourceRun:
    return SourceRun(
        id=row["run_uuid"],
        experiment=str(row["experiment_id"]),
        status=row["status"],
        name=row.get("name") or "",
        user=row.get("user_id") or "",
        start=row["start_time"],
        end=row["end_time"],
        deleted=row["lifecycle_stage"] == "deleted",
        deleted_time=row.get("deleted_time"),
        artifact_uri=row["artifact_uri"] or "",
    )


def _version(row: Mapping[str, Any], tags: dict[str, str]) -> SourceVersion:
    return SourceVersion(
        version=row["version"],
        created=row["creation_time"] or 0,
        updated=row["last_updated_time"] or 0,
        description=row["description"] or "",
        user=row["user_id"] or "",
        stage=row["current_stage"] or "None",
        source=row["source"] or "",
        location=row.get("storage_location") or "",
        run=row["run_id"] or "",
        run_link=row.get("run_link") or "",
        status=row["status"] or "READY",
        tags=tags,
    )


def _describe(given: SourceInput, dataset: Mapping[str, Any]) -> None:
    given.name, given.digest = dataset["name"], dataset["digest"]
    given.data = {
        name: text
        for name in ("source_type", "source", "schema", "profile")
        if (text := dataset[f"dataset_{name}"]) is not None
    }


def _model_status(status: object) -> str:
    return {"1": "PENDING", "2": "READY", "3": "FAILED"}.get(str(status), str(status))
