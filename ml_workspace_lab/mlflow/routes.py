"""The protocol's table: every call and its address.

Each call answers under `/api` and, for pages, under `/ajax-api`; one with several versions under
each of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from ml_workspace_lab.mlflow import (
    artifacts,
    assessments,
    evaluation_datasets,
    experiments,
    graphql,
    history,
    inputs,
    issues,
    logged_models,
    logging,
    multipart,
    old_traces,
    otlp,
    promptlab,
    registry,
    runs,
    scorers,
    search,
    server_info,
    trace_figures,
    traces,
    versions,
    webhooks,
)
from ml_workspace_lab.mlflow.errors import UnknownPath, error_response
from ml_workspace_lab.mlflow.wire import JSON_LIMIT, Request, Response, Route

__all__ = ["error_response", "routes"]

Call = Callable[[Request], Response]
GIB = 1024**3
ARTIFACT_LIMIT = 16 * GIB
PART_LIMIT = 5 * GIB
LOGGED = r"logged-models/(?P<model_id>[^/]+)"
PROXY = "/2.0/mlflow-artifacts"


class Entry(NamedTuple):
    """A call below `/api/2.0/mlflow/`."""

    method: str
    path: str
    call: Call
    inline: bool = False


TRACKING = (
    Entry("POST", "experiments/create", experiments.create),
    Entry("GET", "experiments/get", experiments.get),
    Entry("GET", "experiments/get-by-name", experiments.get_by_name),
    Entry("POST", "experiments/search", search.experiments),
    Entry("GET", "experiments/search", search.experiments),
    Entry("POST", "experiments/update", experiments.update),
    Entry("POST", "experiments/delete", experiments.delete),
    Entry("POST", "experiments/restore", experiments.restore),
    Entry("POST", "experiments/set-experiment-tag", experiments.set_tag),
    Entry("POST", "experiments/delete-experiment-tag", experiments.delete_tag),
    Entry("POST", "experiments/search-datasets", inputs.search_datasets),
    Entry("POST", "runs/create", runs.create),
    Entry("GET", "runs/get", runs.get),
    Entry("POST", "runs/update", runs.update),
    Entry("POST", "runs/delete", runs.delete),
    Entry("POST", "runs/restore", runs.restore),
    Entry("POST", "runs/search", search.runs),
    Entry("POST", "runs/log-metric", logging.log_metric, inline=True),
    Entry("POST", "runs/log-batch", logging.log_batch),
    Entry("POST", "runs/log-parameter", logging.log_param),
    Entry("POST", "runs/set-tag", logging.set_tag),
    Entry("POST", "runs/delete-tag", logging.delete_tag),
    Entry("POST", "runs/log-inputs", inputs.log_inputs),
    Entry("POST", "runs/outputs", inputs.log_outputs),
    Entry("POST", "runs/log-model", logging.log_model),
    Entry("GET", "metrics/get-history", history.history),
    Entry("GET", "metrics/get-history-bulk", history.bulk),
    Entry("GET", "metrics/get-history-bulk-interval", history.interval),
    Entry("GET", "artifacts/list", artifacts.list_of_run),
    Entry("POST", "upload-artifact", artifacts.upload),
    Entry("POST", "logged-models", logged_models.create),
    Entry("POST", "logged-models/search", logged_models.search),
    Entry("GET", LOGGED, logged_models.get),
    Entry("PATCH", LOGGED, logged_models.finalize),
    Entry("DELETE", LOGGED, logged_models.delete),
    Entry("PATCH", f"{LOGGED}/tags", logged_models.set_tags),
    Entry("DELETE", f"{LOGGED}/tags/(?P<key>.+)", logged_models.delete_tag),
    Entry("POST", f"{LOGGED}/params", logged_models.log_params),
    Entry("GET", f"{LOGGED}/artifacts/directories", artifacts.list_of_model),
    Entry("GET", f"{LOGGED}/artifacts/files", artifacts.file_of_model),
    Entry("GET", "get-trace-artifact", traces.spans_file),
)


def twins(route: Route) -> Iterator[Route]:
    """The call under `/api` and under `/ajax-api`; its pattern is what follows."""
    for prefix in ("/api", "/ajax-api"):
        yield replace(route, pattern=prefix + route.pattern)


REGISTRY = tuple(Entry(*call) for call in (*registry.CALLS, *versions.CALLS, *webhooks.CALLS))


def _tracking() -> Iterator[Route]:
    for entry in (*TRACKING, *REGISTRY):
        path = f"/2.0/mlflow/{entry.path}"
        yield from twins(Route(entry.method, path, entry.call, JSON_LIMIT, entry.inline))


def _tracing() -> Iterator[Route]:
    """Each under both versions: clients of different ages ask for one or the other. At the address
    that both have for something else, the old version answers the old clients."""
    old = {(method, path): call for method, path, call in old_traces.CALLS}
    new = {
        (method, path): call
        for method, path, call in (*trace_figures.CALLS, *traces.CALLS, *assessments.CALLS)
    }
    for version, calls in (("2.0", new | old), ("3.0", new)):
        for (method, path), call in calls.items():
            yield from twins(Route(method, f"/{version}/mlflow/{path}", call))
    yield Route("POST", "/v1/traces", otlp.export)


def _judging() -> Iterator[Route]:
    """How applications are judged, and what is wrong with them."""
    for method, path, call in (*evaluation_datasets.CALLS, *scorers.CALLS, *issues.CALLS):
        yield from twins(Route(method, f"/3.0/mlflow/{path}", call))


def _artifacts() -> Iterator[Route]:
    file = f"{PROXY}/artifacts/(?P<path>.+)"
    yield from twins(Route("GET", f"{PROXY}/artifacts", artifacts.list_proxied))
    yield from twins(Route("GET", file, artifacts.get))
    yield from twins(Route("PUT", file, artifacts.put, ARTIFACT_LIMIT))
    yield from twins(Route("DELETE", file, artifacts.delete))
    for name, call in multipart.CALLS.items():
        yield from twins(Route("POST", f"{PROXY}/mpu/{name}/(?P<path>.+)", call))
    part = f"{multipart.PARTS}/(?P<upload_id>[^/]+)/(?P<part>[0-9]{{1,5}})"
    yield Route("PUT", part, multipart.put_part, PART_LIMIT, public=True)
    yield from twins(Route("GET", f"{PROXY}/presigned/.+", artifacts.not_offered))
    yield Route("GET", "/get-artifact", artifacts.get_of_run)
    yield Route("GET", "/model-versions/get-artifact", artifacts.file_of_version)


def _pages() -> Iterator[Route]:
    """What pages alone ask for."""
    pages = "/ajax-api/2.0/mlflow"
    yield Route("POST", f"{pages}/runs/create-promptlab-run", promptlab.create)
    for method in ("GET", "POST"):
        yield Route(method, f"{pages}/gateway-proxy", server_info.gateway)


def _server() -> Iterator[Route]:
    yield Route("GET", "/health", server_info.health, public=True)
    yield Route("GET", "/version", server_info.version, public=True)
    yield from twins(Route("GET", "/3.0/mlflow/server-info", server_info.server_info, public=True))


def _graphql() -> Iterator[Route]:
    for method in ("GET", "POST"):
        yield Route(method, "/graphql", graphql.query, graphql.BODY_LIMIT)


def _unknown(request: Request) -> Response:  # noqa: ARG001 - whatever is asked
    raise UnknownPath("There is no such call.", hint="The server may be older than its client.")


def _rest() -> Iterator[Route]:
    """What nothing else matches."""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        yield Route(method, ".*", _unknown, inline=True)


routes: list[Route] = [
    *_tracking(),
    *_artifacts(),
    *_pages(),
    *_tracing(),
    *_judging(),
    *_graphql(),
    *_server(),
    *_rest(),
]
