"""What GraphQL costs at most, and what it says when something is wrong with the server."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from graphql import build_client_schema, get_introspection_query, print_schema

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.mlflow import graphql
from ml_workspace_lab.mlflow.graphql import fields, limits
from ml_workspace_lab.mlflow.wire import Request, Response

Ask = Callable[[str], dict[str, Any]]


@pytest.fixture
def ask(ws: Workspace) -> Ask:
    """The answer to a query, asked by the workspace's owner."""

    def asked(query: str) -> dict[str, Any]:
        body = io.BytesIO(json.dumps({"query": query}).encode())
        headers = {"Content-Type": "application/json"}
        response = graphql.query(Request(ws.connection, {}, {}, body, headers))
        assert isinstance(response.body, bytes)
        found: dict[str, Any] = json.loads(response.body)
        return found

    return asked


def runs_with_metrics(ws: Workspace, count: int, metrics: int) -> None:
    experiment = ws.experiment("0")
    for _ in range(count):
        with experiment.start_logging() as run:
            for key in range(metrics):
                run.log(f"m{key}", key)


def test_the_library_is_loaded_when_a_query_comes() -> None:
    code = "import sys, ml_workspace_lab.mlflow.routes; print('graphql' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


def test_tools_read_the_schema(ask: Ask) -> None:
    answer = ask(get_introspection_query())
    assert answer["errors"] is None
    assert print_schema(build_client_schema(answer["data"])) == print_schema(fields.schema())


def test_a_schema_asked_for_many_times_over_is_too_much(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = " ".join(f"a{i}: fields {{ name }}" for i in range(9))
    query = "{ __schema { types { fields { type { " + inner + " } } } } }"
    assert ask(query)["errors"] is None
    monkeypatch.setattr(limits, "VALUES", 2_000)
    assert ask(query)["data"] is None


def test_an_answer_that_would_be_too_long_is_not_given_in_part(
    ws: Workspace, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_with_metrics(ws, 3, 4)
    query = (
        '{ mlflowSearchRuns(input: {experimentIds: ["1"]}) { runs { data { metrics { key } } } } }'
    )
    runs = ask(query)["data"]["mlflowSearchRuns"]["runs"]
    assert [len(run["data"]["metrics"]) for run in runs] == [4, 4, 4]
    monkeypatch.setattr(limits, "VALUES", 30)
    answer = ask(query)
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert "more than 30 values" in error


def test_what_belongs_to_runs_is_looked_up_once_and_counted(
    ws: Workspace, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_with_metrics(ws, 3, 1)
    inner = "runs { experiment { name } modelVersions { name } }"
    searches = (
        f'a{i}: mlflowSearchRuns(input: {{experimentIds: ["1"]}}) {{ {inner} }}' for i in range(10)
    )
    query = f"{{ {' '.join(searches)} }}"
    monkeypatch.setattr(limits, "VALUES", 5 * fields.LOOKUP)  # one experiment and three runs
    assert ask(query)["errors"] is None
    monkeypatch.setattr(limits, "VALUES", 3 * fields.LOOKUP)
    assert ask(query)["data"] is None


SAME = "output " * 990
LISTS = "[" * 2000 + "]" * 2000


@pytest.mark.parametrize(
    "query",
    [
        "{ a " * 1500 + "} " * 1500,
        f"{{ test(inputString: {LISTS}) {{ output }} }}",
        "{ " + "a " * 300_000 + "}",
        f"{{ test {{ {SAME} }} }}",
        f"{{ __typename }} fragment A on Test {{ {SAME} }}",
        "{ mlflowGetRun(input: {}) { " + ("run { " + "info { runId } " * 30 + "} ") * 15 + "} }",
        "{ test { ...A0 } } "
        + " ".join(f"fragment A{i} on Test {{ ...A{i + 1} ...A{i + 1} }}" for i in range(300)),
        "{ mlflowGetRun(input: {" + ", ".join(f"a{i}: 1" for i in range(1200)) + "}) { run } }",
    ],
    ids=["deep", "lists", "long", "same", "unused", "pairs", "fragments", "object"],
)
def test_a_hostile_query_costs_little(ask: Ask, query: str) -> None:
    ask("{ __typename }")
    began = time.process_time()
    answer = ask(query)
    assert time.process_time() - began < 10
    assert len(json.dumps(answer)) < 500_000


def test_the_environment_sets_how_much_is_asked_at_once(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS", "1")
    two = '{ a: test(inputString: "a") { output } b: test(inputString: "b") { output } }'
    assert "at most 1 root fields, got 2" in ask(two)["errors"][0]
    monkeypatch.setenv("MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS", "many")
    with pytest.raises(InvalidInput, match="MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS"):
        ask(two)


def test_a_fault_of_the_server_is_not_told_in_an_answer(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(request: Request) -> Response:
        raise RuntimeError("SELECT secret FROM table")

    fields.schema.cache_clear()
    monkeypatch.setattr(fields, "CALLS", {**fields.CALLS, "mlflowSearchModelVersions": broken})
    try:
        with pytest.raises(RuntimeError):
            ask("{ mlflowSearchModelVersions(input: {}) { nextPageToken } }")
    finally:
        fields.schema.cache_clear()
