"""Reading a tracking server of MLflow's through its REST API."""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from ml_workspace_lab.errors import InvalidInput, NotFound, Unavailable
from ml_workspace_lab.experiments.points import Arrays
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
from ml_workspace_lab.transfer.report import NotMapped

SECONDS = 60
PAGE = 1000
POINTS = 25_000
_NOT_ASKED = (
    "Traces, assessments, issues, webhooks and evaluation datasets are neither taken over nor"
    " counted: a server is not asked for them."
)
_DATASET = ("source_type", "source", "schema", "profile")


class ServerSource:
    """An MLflow store behind a server."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._runs: dict[str, dict[str, Any]] = {}
        self._call("GET", "experiments/get", experiment_id="0")

    def experiments(self) -> list[SourceExperiment]:
        pages = self._pages("POST", "experiments/search", "experiments", view_type="ALL")
        return [
            SourceExperiment(
                id=one["experiment_id"],
                name=one["name"],
                deleted=one["lifecycle_stage"] == "deleted",
                created=_int(one.get("creation_time")),
                updated=_int(one.get("last_update_time")),
                tags=_pairs(one.get("tags")),
            )
            for one in pages
        ]

    def run_ids(self, experiment: str) -> Sequence[str]:
        found = self._pages(
            "POST",
            "runs/search",
            "runs",
            experiment_ids=[experiment],
            run_view_type="ALL",
            order_by=["attributes.start_time ASC"],
        )
        runs = {one["info"]["run_id"]: one for one in found}
        self._runs |= runs
        return list(runs)

    def runs(self, ids: Sequence[str]) -> list[SourceRun]:
        return [self._run(self._runs.pop(run)) for run in ids]

    def logged_models(self, experiment: str) -> list[SourceModel]:
        try:
            found = list(
                self._pages(
                    "POST", "logged-models/search", "models", experiment_ids=[experiment], size=50
                )
            )
        except NotFound:
            return []  # MLflow 2 has none.
        return [_logged_model(one["info"], one.get("data", {})) for one in found]

    def registered_models(self) -> list[SourceRegistered]:
        found = {
            one["name"]: SourceRegistered(
                name=one["name"],
                created=int(one.get("creation_timestamp", 0)),
                updated=int(one.get("last_updated_timestamp", 0)),
                description=one.get("description", ""),
                tags=_pairs(one.get("tags")),
                aliases={a["alias"]: int(a["version"]) for a in one.get("aliases", [])},
            )
            for one in self._pages("GET", "registered-models/search", "registered_models", size=100)
        }
        for one in self._pages("GET", "model-versions/search", "model_versions"):
            if one["name"] in found:
                found[one["name"]].versions.append(_version(one))
        return list(found.values())

    def belongings(self, experiment: str) -> Mapping[str, Sequence[str]]:  # noqa: ARG002
        """Nothing: a server is not asked for them."""
        return {}

    def things(self, field: str, experiment: str, ids: Sequence[str]) -> list[SourceThing]:  # noqa: ARG002
        return []

    def others(self) -> Iterator[tuple[str, int]]:
        """Nothing: a server is not asked for what isn't taken."""
        yield from ()

    def unread(self) -> list[NotMapped]:
        return [NotMapped("traces and the like", "server", _NOT_ASKED)]

    def _run(self, given: dict[str, Any]) -> SourceRun:
        info, data = given["info"], given.get("data", {})
        inputs = given.get("inputs", {})
        outputs = given.get("outputs", {})
        return SourceRun(
            id=info["run_id"],
            experiment=info["experiment_id"],
            status=info["status"],
            name=info.get("run_name", ""),
            user=info.get("user_id", ""),
            start=_int(info.get("start_time")),
            end=_int(info.get("end_time")) or None,
            deleted=info["lifecycle_stage"] == "deleted",
            artifact_uri=info.get("artifact_uri", ""),
            params=_pairs(data.get("params")),
            tags=_pairs(data.get("tags")),
            metrics={
                one["key"]: self._history(info["run_id"], one["key"])
                for one in data.get("metrics", [])
            },
            latest={
                one["key"]: (float(one["value"]), int(one.get("step", 0)), int(one["timestamp"]))
                for one in data.get("metrics", [])
            },
            inputs=[
                *map(_dataset, inputs.get("dataset_inputs", [])),
                *(
                    SourceInput("input", "model", m["model_id"])
                    for m in inputs.get("model_inputs", [])
                ),
                *(
                    SourceInput(
                        "output", "model", m["model_id"], data={"step": int(m.get("step", 0))}
                    )
                    for m in outputs.get("model_outputs", [])
                ),
            ],
        )

    def _history(self, run: str, name: str) -> Arrays:
        columns = array("q"), array("q"), array("d")
        found = self._pages(
            "GET", "metrics/get-history", "metrics", run_id=run, metric_key=name, size=POINTS
        )
        for one in found:
            columns[1].append(int(one["timestamp"]))
            columns[0].append(int(one.get("step", 0)))
            columns[2].append(float(one["value"]))
        return columns

    def _pages(
        self, method: str, path: str, items: str, *, size: int = PAGE, **values: Any
    ) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            asked = {**values, "max_results": size, **({"page_token": token} if token else {})}
            answer = self._call(method, path, **asked)
            yield from answer.get(items, [])
            token = answer.get("next_page_token")
            if not token:
                return

    def _call(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        url = f"{self._url}/api/2.0/mlflow/{quote(path)}"
        body = None
        if method == "GET":
            url += "?" + urlencode(values)
        else:
            body = json.dumps(values).encode()
        request = Request(url, body, {"Content-Type": "application/json"}, method=method)  # noqa: S310 - http alone comes here
        try:
            with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
        except HTTPError as error:
            kind = NotFound if error.code == 404 else InvalidInput
            raise kind(f"The server refused {path}: {error.code}.", field="source") from None
        except (URLError, HTTPException, OSError) as error:
            raise Unavailable(f"The server can't be reached: {error}.", field="source") from None
        except ValueError:
            raise InvalidInput("The server is not one of MLflow's.", field="source") from None
        return found


def _logged_model(info: dict[str, Any], data: dict[str, Any]) -> SourceModel:
    return SourceModel(
        id=info["model_id"],
        name=info["name"],
        status=str(info["status"]).removeprefix("LOGGED_MODEL_").removesuffix("_UPLOAD"),
        created=int(info["creation_timestamp_ms"]),
        updated=int(info["last_updated_timestamp_ms"]),
        model_type=info.get("model_type", ""),
        run=info.get("source_run_id") or None,
        artifact_uri=info.get("artifact_uri", ""),
        params=_pairs(data.get("params")),
        tags=_pairs(info.get("tags")),
        metrics=[
            SourceMetric(
                one["key"],
                float(one["value"]),
                int(one.get("step", 0)),
                int(one["timestamp"]),
                one.get("run_id") or None,
                one.get("dataset_name", ""),
                one.get("dataset_digest", ""),
            )
            for one in data.get("metrics", [])
        ],
    )


def _version(one: dict[str, Any]) -> SourceVersion:
    return SourceVersion(
        version=int(one["version"]),
        created=int(one.get("creation_timestamp", 0)),
        updated=int(one.get("last_updated_timestamp", 0)),
        description=one.get("description", ""),
        user=one.get("user_id", ""),
        stage=one.get("current_stage") or "None",
        source=one.get("source", ""),
        run=one.get("run_id", ""),
        run_link=one.get("run_link", ""),
        tags=_pairs(one.get("tags")),
    )


def _dataset(given: dict[str, Any]) -> SourceInput:
    dataset = given["dataset"]
    data = {name: dataset[name] for name in _DATASET if name in dataset}
    tags = _pairs(given.get("tags"))
    return SourceInput("input", "dataset", dataset["name"], dataset["digest"], data, tags)


def _pairs(items: list[dict[str, str]] | None) -> dict[str, str]:
    return {one["key"]: one.get("value", "") for one in items or []}


def _int(value: object) -> int | None:
    return None if value is None else int(str(value))
