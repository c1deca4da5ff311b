"""GraphQL: what MLflow's pages ask in one request, and what is refused before it costs anything."""

from typing import Any

import pytest

from tests.http import Answer
from tests.mlflow.conformance.target import Json, Target, invalid, ok

UNKNOWN = "0123456789abcdef0123456789abcdef"


def ask(target: Target, query: str, **more: Any) -> Json:
    """The data and the errors of an answer."""
    return ok(target.post("/graphql", query=query, **more))


def data(target: Target, query: str, **more: Any) -> Json:
    answer = ask(target, query, **more)
    assert answer["errors"] is None
    found: Json = answer["data"]
    return found


def errors(target: Target, query: str, **more: Any) -> list[str]:
    found: list[str] = ask(target, query, **more)["errors"]
    return found


def test_an_experiment_is_found(target: Target) -> None:
    name = target.name()
    number = target.experiment(name=name, tags=[{"key": "a", "value": "b"}])
    query = (
        'query one @component(name: "page") { mlflowGetExperiment(input: {experimentId: "%s"}) {'
        " apiError { code } experiment { experimentId name artifactLocation lifecycleStage"
        " creationTime lastUpdateTime effectiveTraceArchivalRetention tags { key value } } } }"
    )
    found = data(target, query % number, operationName="one")["mlflowGetExperiment"]
    shown = found["experiment"]
    assert found["apiError"] is None
    assert shown.pop("creationTime") == shown.pop("lastUpdateTime") > "1700000000000"
    assert shown == {
        "experimentId": number,
        "name": name,
        "artifactLocation": f"mlflow-artifacts:/{number}",
        "lifecycleStage": "active",
        "effectiveTraceArchivalRetention": "",
        "tags": [{"key": "a", "value": "b"}],
    }


def test_a_run_comes_with_all_that_belongs_to_it(target: Target) -> None:
    experiment, model = target.name(), target.name("model")
    run_id = target.run(target.experiment(name=experiment), run_name="first", user_id="ann")
    target.log(run_id, "m", 1.5, step=2**60, timestamp=7)
    ok(target.post("runs/log-parameter", run_id=run_id, key="p", value="q"))
    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "x"}
    ok(target.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": []}]))
    ok(target.post("registered-models/create", name=model))
    source = f"runs:/{run_id}/model"
    ok(target.post("model-versions/create", name=model, source=source, run_id=run_id))
    query = (
        '{ mlflowGetRun(input: {%s: "%s"}) { run { info { runId runUuid runName userId status'
        " startTime endTime lifecycleStage } data { metrics { key value timestamp step modelId }"
        " params { key value } tags { key } } inputs { datasetInputs { dataset { name schema } }"
        " modelInputs { modelId } } outputs { modelOutputs { modelId step } } experiment { name }"
        " modelVersions { name version source runId status aliases modelParams { name }"
        " deploymentJobState { jobId } } } } }"
    )
    found = data(target, query % ("runId", run_id))
    assert found == data(target, query % ("runUuid", run_id))
    assert found["mlflowGetRun"]["run"] == {
        "info": {
            "runId": run_id,
            "runUuid": run_id,
            "runName": "first",
            "userId": "ann",
            "status": "RUNNING",
            "startTime": "1700000000000",
            "endTime": "0",
            "lifecycleStage": "active",
        },
        "data": {
            "metrics": [
                {"key": "m", "value": 1.5, "timestamp": "7", "step": str(2**60), "modelId": ""}
            ],
            "params": [{"key": "p", "value": "q"}],
            "tags": [{"key": "mlflow.runName"}],
        },
        "inputs": {
            "datasetInputs": [{"dataset": {"name": "d", "schema": ""}}],
            "modelInputs": [],
        },
        "outputs": {"modelOutputs": []},
        "experiment": {"name": experiment},
        "modelVersions": [
            {
                "name": model,
                "version": "1",
                "source": source,
                "runId": run_id,
                "status": "READY",
                "aliases": [],
                "modelParams": [],
                "deploymentJobState": {"jobId": ""},
            }
        ],
    }


def test_numbers_that_json_lacks_are_null_or_the_largest(target: Target) -> None:
    run_id = target.run()
    for key, value in {"nan": "NaN", "inf": "Infinity"}.items():
        target.log(run_id, key, value)
    run = '{ mlflowGetRun(input: {runId: "%s"}) { run { data { metrics { key value } } } } }'
    metrics = data(target, run % run_id)["mlflowGetRun"]["run"]["data"]["metrics"]
    largest = 1.7976931348623157e308
    assert {one["key"]: one["value"] for one in metrics} == {"nan": None, "inf": largest}
    sampled = (
        '{ mlflowGetMetricHistoryBulkInterval(input: {runIds: ["%s"], metricKey: "nan"})'
        " { metrics { value step } } }"
    )
    answer = ask(target, sampled % run_id)
    points = answer["data"]["mlflowGetMetricHistoryBulkInterval"]["metrics"]
    assert points == [{"value": None, "step": "0"}]
    assert (answer["errors"] is None) is target.choose("graphql-nan", theirs=False, ours=True)


def test_metrics_are_sampled_within_steps(target: Target) -> None:
    run_id = target.run()
    metrics = [{"key": "m", "value": i, "timestamp": i, "step": i} for i in range(20)]
    ok(target.post("runs/log-batch", run_id=run_id, metrics=metrics))
    query = (
        "query($input: MlflowGetMetricHistoryBulkIntervalInput!)"
        " { mlflowGetMetricHistoryBulkInterval(input: $input)"
        " { metrics { runId key value timestamp step } } }"
    )
    given = {"runIds": [run_id], "metricKey": "m", "startStep": 3, "endStep": 5}
    found = data(target, query, variables={"input": given})["mlflowGetMetricHistoryBulkInterval"]
    steps = target.choose("graphql-checks", theirs=range(20), ours=range(3, 6))
    assert found["metrics"] == [
        {"runId": run_id, "key": "m", "value": float(i), "timestamp": str(i), "step": str(i)}
        for i in steps
    ]
    none = {**given, "maxResults": 0}
    refused = errors(target, query, variables={"input": none})
    assert bool(refused) is target.choose("graphql-checks", theirs=False, ours=True)


@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_runs_are_searched_page_by_page(target: Target, kind: str) -> None:
    number = target.experiment()
    first, second = (target.run(number, run_name=name, start_time=1) for name in "ab")
    target.log(first, "m", 1)
    target.log(second, "m", 2)
    query = (
        f"{kind}($input: MlflowSearchRunsInput!) {{ mlflowSearchRuns(input: $input)"
        " { nextPageToken runs { info { runName } experiment { experimentId } } } }"
    )
    given = {"experimentIds": [number], "maxResults": 1, "orderBy": ["metrics.m DESC"]}
    pages, token = [], None
    for _ in range(2):
        page = data(target, query, variables={"input": {**given, "pageToken": token}})
        found = page["mlflowSearchRuns"]
        pages += found["runs"]
        token = found["nextPageToken"]
    assert [one["info"]["runName"] for one in pages] == ["b", "a"]
    assert [one["experiment"]["experimentId"] for one in pages] == [number, number]
    assert token == ""
    filtered = {"experimentIds": [number], "filter": "metrics.m < 2"}
    assert len(data(target, query, variables={"input": filtered})["mlflowSearchRuns"]["runs"]) == 1
    viewed = ask(target, query, variables={"input": {**filtered, "runViewType": "DELETED_ONLY"}})
    expected = target.choose("graphql-view", theirs=None, ours={"runs": [], "nextPageToken": ""})
    assert viewed["data"]["mlflowSearchRuns"] == expected


def test_artifacts_datasets_and_versions_are_listed(target: Target) -> None:
    number = target.experiment()
    run_id = target.run(number)
    for path in ("a.txt", "folder/b.txt"):
        target.put_artifact(f"{number}/{run_id}/artifacts/{path}", b"text")
    query = (
        '{ all: mlflowListArtifacts(input: {runId: "%s"}) { rootUri files { path isDir fileSize }'
        ' nextPageToken } below: mlflowListArtifacts(input: {runId: "%s", path: "folder"})'
        " { files { path } } }"
    )
    found = data(target, query % (run_id, run_id))
    assert found["all"] == {
        "rootUri": f"mlflow-artifacts:/{number}/{run_id}/artifacts",
        "files": [
            {"path": "a.txt", "isDir": False, "fileSize": "4"},
            {"path": "folder", "isDir": True, "fileSize": "0"},
        ],
        "nextPageToken": "",
    }
    assert found["below"] == {"files": [{"path": "folder/b.txt"}]}

    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "x"}
    ok(target.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": []}]))
    query = (
        'mutation { mlflowSearchDatasets(input: {experimentIds: ["%s"]})'
        " { datasetSummaries { experimentId name digest context } } }"
    )
    summaries = data(target, query % number)["mlflowSearchDatasets"]["datasetSummaries"]
    assert summaries == [{"experimentId": number, "name": "d", "digest": "1", "context": ""}]

    model = target.name("model")
    ok(target.post("registered-models/create", name=model))
    for _ in range(2):
        ok(target.post("model-versions/create", name=model, source="s3://bucket/model"))
    query = (
        "{ mlflowSearchModelVersions(input: {filter: \"name = '%s'\", maxResults: 1})"
        " { modelVersions { name version creationTimestamp } nextPageToken } }"
    )
    page = data(target, query % model)["mlflowSearchModelVersions"]
    assert [(one["name"], one["version"]) for one in page["modelVersions"]] == [(model, "2")]
    assert page["modelVersions"][0]["creationTimestamp"] > "1700000000000"
    assert page["nextPageToken"]


def test_a_text_is_echoed(target: Target) -> None:
    assert data(target, '{ test(inputString: "a") { output __typename } }') == {
        "test": {"output": "a", "__typename": "Test"}
    }
    found = data(target, 'mutation { testMutation(inputString: "a") { output } }')
    expected = target.choose("graphql-echo", theirs=None, ours={"output": "a"})
    assert found == {"testMutation": expected}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ('mlflowGetExperiment(input: {experimentId: "987654"})', "No Experiment with id=987654"),
        ('mlflowGetExperiment(input: {experimentId: "x"})', "must be a valid integer"),
        (f'mlflowGetRun(input: {{runId: "{UNKNOWN}"}})', f"Run with id={UNKNOWN} not found"),
        ("mlflowSearchRuns(input: {maxResults: 0})", "Invalid value 0 for parameter 'max_results'"),
        (f'mlflowListArtifacts(input: {{runId: "{UNKNOWN}", path: "../a"}})', "Invalid path"),
    ],
)
def test_what_a_call_refuses_is_null_and_told(target: Target, query: str, words: str) -> None:
    answer = ask(target, f'{{ {query} {{ __typename }} test(inputString: "a") {{ output }} }}')
    (error,) = answer["errors"]
    assert words in error
    assert answer["data"] == {query.partition("(")[0]: None, "test": {"output": "a"}}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ mlflowGetExperiment(input: {experimentId: 5}) { __typename } }", "non string value: 5"),
        ("{ mlflowGetNothing }", "Cannot query field 'mlflowGetNothing'"),
        ("{ test { output more } }", "Cannot query field 'more' on type 'Test'"),
        ("{ test }", "must have a selection of subfields"),
        ("{ test { ...A } } fragment A on Test { ...A }", "Cannot spread fragment 'A' within"),
        ("query a { __typename } query b { __typename }", "Must provide operation name"),
        ("query($v: Nothing) { test(inputString: $v) { output } }", "Unknown type 'Nothing'"),
    ],
)
def test_a_wrong_query_is_refused_whole(target: Target, query: str, words: str) -> None:
    answer = ask(target, query)
    assert answer["data"] is None
    assert words in answer["errors"][0]


def echoes(count: int) -> str:
    return " ".join(f'a{i}: test(inputString: "a") {{ output }}' for i in range(count))


RENAMED = " ".join(f"a{i}: name" for i in range(6))
DEEP = "{ a" * 11 + " }" * 11


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (f"{{ {echoes(11)} }}", "GraphQL queries should have at most 10 root fields, got 11"),
        (
            f"{{ ...A ...B }} fragment A on Query {{ {echoes(6)} }} "
            f"fragment B on Query {{ {echoes(6)} }}",
            "at most 10 root fields",
        ),
        (f"query a {{ {echoes(6)} }} query b {{ {echoes(6)} }}", "at most 10 root fields, got 12"),
        (
            '{ mlflowGetExperiment(input: {experimentId: "0"}) { experiment { ...A ... on'
            f" MlflowExperiment {{ {RENAMED.replace('a', 'b')} }} }} }} }}"
            f" fragment A on MlflowExperiment {{ {RENAMED} }}",
            "GraphQL queries should have at most 10 aliases, got 12",
        ),
        (DEEP, "Query exceeds maximum depth of 10"),
        (f"{{ test {{ {'output ' * 1000} }} }}", "Query exceeds maximum total selections of 1000"),
    ],
)
def test_a_query_that_asks_too_much_is_not_begun(target: Target, query: str, words: str) -> None:
    answer = ask(target, query)
    assert answer["data"] is None
    assert words in answer["errors"][0]
    data(target, f"{{ {echoes(10)} }}")


def test_queries_come_one_at_a_time_as_json(target: Target) -> None:
    def mistaken(answer: Answer) -> None:
        if target.choose("graphql-mistake", theirs=False, ours=True):
            invalid(answer)
        else:
            assert answer.status == 500

    mistaken(target.send("POST", "/graphql", [{"query": "{ test { output } }"}]))
    mistaken(target.raw("/graphql", "{"))
    mistaken(target.post("/graphql"))
    text = '{"query": "{ test { output } }"}'
    invalid(target.request("POST", "/graphql", text, {"Content-Type": "text/plain"}), "Content-Typ")
    broken = target.post("/graphql", query="{ test { output }")
    assert broken.status == target.choose("graphql-mistake", theirs=500, ours=200)
    if target.ours:
        assert "Syntax Error" in broken.json["errors"][0]
    asked = target.request("GET", "/graphql", text, {"Content-Type": "application/json"})
    assert "test" in ok(asked)["data"]
