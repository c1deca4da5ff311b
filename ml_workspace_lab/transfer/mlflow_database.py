"""Reading MLflow's database: SQLite by itself, others through SQLAlchemy where it is installed."""

import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.storage.marks import marks_of
from ml_workspace_lab.transfer.mlflow_source import (
    SourceExperiment,
    SourceInput,
    SourceMetric,
    SourceModel,
    SourceRegistered,
    SourceRun,
    SourceVersion,
)
from ml_workspace_lab.transfer.report import NotMapped

Query = Callable[..., Iterator[Any]]
"""Rows of a statement with named parameters: by name, or by place where they are `plain`.
Texts that are not UTF-8 are bytes where the query is `lenient`, and an error elsewhere."""

_ELSEWHERE = ("trace_info", "assessments", "issues", "scorers", "webhooks", "evaluation_datasets")
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
        self._tables = tables
        self._unread: dict[tuple[str, str], NotMapped] = {}

    def experiments(self) -> list[SourceExperiment]:
        tags = self._pairs("experiment_tags", "experiment_id")
        return [
            SourceExperiment(
                id=str(row["experiment_id"]),
                name=row["name"],
                deleted=row["lifecycle_stage"] == "deleted",
                created=row.get("creation_time"),
                updated=row.get("last_update_time"),
                tags=tags.get(row["experiment_id"], {}),
            )
            for row in self._rows("experiments", order="experiment_id")
        ]

    def run_ids(self, experiment: str) -> Sequence[str]:
        rows = self._query(
            "SELECT run_uuid FROM runs WHERE experiment_id = :id ORDER BY start_time, run_uuid",
            {"id": int(experiment)},
        )
        return [row["run_uuid"] for row in rows]

    def runs(self, ids: Sequence[str]) -> list[SourceRun]:
        found = {row["run_uuid"]: _run(row) for row in self._rows("runs", "run_uuid", ids)}
        for table in ("params", "tags"):
            for row in self._rows(table, "run_uuid", ids):
                if self._is_text(table, row["run_uuid"], row["key"], row["value"]):
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
        for row in self._rows("latest_metrics", "run_uuid", ids):
            value = math.nan if row["is_nan"] else row["value"]
            found[row["run_uuid"]].latest[row["key"]] = value, row["step"], row["timestamp"]
        self._add_inputs(found)
        return [found[uid] for uid in ids if uid in found]

    def logged_models(self, experiment: str) -> list[SourceModel]:
        rows = list(self._rows("logged_models", "experiment_id", [int(experiment)]))
        ids = [row["model_id"] for row in rows]
        params = self._pairs("logged_model_params", "model_id", ids, "param_key", "param_value")
        tags = self._pairs("logged_model_tags", "model_id", ids, "tag_key", "tag_value")
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
        for row in self._rows("logged_model_metrics", "model_id", ids):
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
        tags = self._pairs("registered_model_tags", "name")
        found = {
            row["name"]: SourceRegistered(
                name=row["name"],
                created=row["creation_time"] or 0,
                updated=row["last_updated_time"] or 0,
                description=row["description"] or "",
                tags=tags.get(row["name"], {}),
            )
            for row in self._rows("registered_models", order="name")
        }
        for row in self._rows("registered_model_aliases"):
            if row["name"] in found:
                found[row["name"]].aliases[row["alias"]] = row["version"]
            else:
                self._leave_out("alias", f"{row['name']}/{row['alias']}", NO_MODEL)
        version_tags: dict[tuple[str, int], dict[str, str]] = {}
        for row in self._rows("model_version_tags"):
            owner = row["name"], row["version"]
            where = f"{row['name']}/{row['version']}"
            if self._is_text("tags", where, row["key"], row["value"]):
                version_tags.setdefault(owner, {})[row["key"]] = row["value"] or ""
        for row in self._rows("model_versions", order="version"):
            tagged = version_tags.get((row["name"], row["version"]), {})
            if row["name"] not in found:
                self._leave_out("model version", f"{row['name']}/{row['version']}", NO_MODEL)
            elif row["current_stage"] != "Deleted_Internal":
                found[row["name"]].versions.append(_version(row, tagged))
        return list(found.values())

    def others(self) -> Iterator[tuple[str, int]]:
        for table in _ELSEWHERE:
            if table in self._tables:
                (row,) = self._query(f"SELECT count(*) AS n FROM {table}", {})  # noqa: S608
                yield table, row["n"]

    def unread(self) -> list[NotMapped]:
        return list(self._unread.values())

    def _leave_out(self, what: str, which: str, reason: str) -> None:
        self._unread[what, which] = NotMapped(what, which, reason)

    def _is_text(self, table: str, owner: object, key: object, value: object) -> bool:
        """Whether a name and its value are; what is left out is told."""
        if not isinstance(key, bytes) and not isinstance(value, bytes):
            return True
        name = key.decode(errors="replace") if isinstance(key, bytes) else key
        what = "parameter" if table.endswith("params") else "tag"
        self._leave_out(what, f"{owner}/{name}", "It can't be read: it is not UTF-8.")
        return False

    def _add_inputs(self, runs: dict[str, SourceRun]) -> None:
        ids = list(runs)
        rows = [
            *(("input", row["destination_id"], row["source_type"], row["source_id"], row)
              for row in self._rows("inputs", "destination_id", ids)),
            *(("output", row["source_id"], row["destination_type"], row["destination_id"], row)
              for row in self._rows("inputs", "source_id", ids)),
        ]  # fmt: skip
        datasets = {
            row["dataset_uuid"]: row
            for row in self._rows("datasets", "dataset_uuid", [row[3] for row in rows])
        }
        tags = self._pairs(
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

    def _pairs(
        self,
        table: str,
        owner: str,
        ids: Sequence[Any] | None = None,
        key: str = "key",
        value: str = "value",
    ) -> dict[Any, dict[str, str]]:
        """The names and values of a table, by their owner."""
        found: dict[Any, dict[str, str]] = {}
        for row in self._rows(table, owner, ids):
            if self._is_text(table, row[owner], row[key], row[value]):
                found.setdefault(row[owner], {})[row[key]] = row[value] or ""
        return found

    def _rows(
        self, table: str, column: str = "", values: Sequence[Any] | None = None, order: str = ""
    ) -> Iterator[Mapping[str, Any]]:
        """The rows of a table (with one of these values); none where there is no such table."""
        if table not in self._tables:
            return
        sql, named = f"SELECT * FROM {table}", dict[str, Any]()  # noqa: S608
        if values is not None:
            marks, named = marks_of(values)
            sql += f" WHERE {column} IN ({marks})"
        lenient = table.endswith(("params", "tags"))
        yield from self._query(f"{sql} ORDER BY {order}" if order else sql, named, lenient=lenient)


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
