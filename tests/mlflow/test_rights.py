"""Who may do what over the protocol: the workspace's own rights, whatever the surface."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.access.model import CreateToken
from ml_workspace_lab.mlflow.multipart import put_part
from ml_workspace_lab.mlflow.routes import routes
from tests.conftest import Server
from tests.mlflow.conformance.conftest import serving
from tests.mlflow.conformance.target import Target, ok


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, Workspace]]:
    folder = tmp_path_factory.mktemp("rights")
    with serving(folder) as (target, _):
        yield target, Workspace.open(folder / "store")


def with_token(target: Target, workspace: Workspace, *actions: str) -> Target:
    token = workspace.connection.tokens.create(CreateToken("limited", list(actions))).token
    return Target(target.url, {"Authorization": f"Bearer {token}"}, ours=True)


def test_every_call_but_the_public_ones_refuses_nobody(served: tuple[Target, Workspace]) -> None:
    nobody = Target(served[0].url, {}, ours=True)
    for route in routes:
        if route.call is put_part:
            continue  # Its address is the right to it, which test_multipart tries.
        path = re.sub(r"\(\?P<\w+>[^)]*\)|\[a-z\]\+|\.[+*]", "1", route.pattern)
        answer = nobody.send(route.method, "/" + path.lstrip("/"), {})
        assert answer.status == (200 if route.public else 401), route
        if not route.public:
            assert answer.json["error_code"] == "UNAUTHENTICATED"
            assert "WWW-Authenticate" in answer.headers


def test_who_may_read_only_logs_nothing(served: tuple[Target, Workspace]) -> None:
    target, workspace = served
    run_id = target.run()
    target.log(run_id, "m", 1.0)
    reader = with_token(target, workspace, "experiments/read", "experiments/runs/read")
    assert reader.read(run_id)["info"]["run_id"] == run_id
    for path, fields in {
        "runs/log-metric": {"key": "m", "value": 2, "timestamp": 1},
        "runs/log-batch": {"metrics": [{"key": "m", "value": 2, "timestamp": 1}]},
        "runs/set-tag": {"key": "k", "value": "v"},
        "runs/update": {"status": "FINISHED"},
        "runs/delete": {},
    }.items():
        answer = reader.post(path, run_id=run_id, **fields)
        assert (answer.status, answer.json["error_code"]) == (403, "PERMISSION_DENIED")
    number = target.read(run_id)["info"]["experiment_id"]
    assert reader.put_artifact(f"{number}/{run_id}/artifacts/a", b"x").status == 403
    assert [m["value"] for m in target.read(run_id)["data"]["metrics"]] == [1.0]


def test_who_may_read_only_searches_a_workspace_that_nobody_has_used(tmp_path: Path) -> None:
    with serving(tmp_path) as (target, _):
        reader = with_token(
            target, Workspace.open(tmp_path / "store"), "experiments/read", "experiments/runs/read"
        )
        assert ok(reader.post("experiments/search", max_results=5))["experiments"] == []
        assert reader.get("experiments/get", experiment_id="0").status == 404
        found = ok(target.post("experiments/search", max_results=5))["experiments"]
        assert [one["name"] for one in found] == ["Default"]
        assert len(ok(reader.post("experiments/search", max_results=5))["experiments"]) == 1


def test_who_may_read_only_changes_no_dataset_no_scorer_and_no_issue(
    served: tuple[Target, Workspace],
) -> None:
    target, workspace = served
    experiment_id, root = target.experiment(), "/api/3.0/mlflow"
    made = ok(target.post(f"{root}/datasets/create", name="d", experiment_ids=[experiment_id]))
    path = f"{root}/datasets/{made['dataset']['dataset_id']}"
    ok(target.post(f"{path}/records", records='[{"inputs": {"q": 1}}]'))
    records = ok(target.get(f"{path}/records"))["records"]
    scorer = {"experiment_id": experiment_id, "name": "s"}
    register = {**scorer, "serialized_scorer": "{}"}
    registered = ok(target.post(f"{root}/scorers/register", **register))
    issue = {"experiment_id": experiment_id, "name": "i", "description": "d"}
    written = ok(target.post(f"{root}/issues", **issue))["issue"]
    one_issue = f"{root}/issues/{written['issue_id']}"
    reader = with_token(target, workspace, "experiments/read", "experiments/runs/read")
    writer = with_token(
        target, workspace, "experiments/read", "experiments/runs/read", "experiments/runs/write"
    )
    again = {"records": '[{"inputs": {"q": 1}, "outputs": 2}]'}
    changes: list[tuple[str, str, dict[str, object]]] = [
        ("POST", f"{root}/datasets/create", {"name": "e"}),
        ("PATCH", f"{path}/tags", {"tags": '{"k": "v"}'}),
        ("DELETE", f"{path}/tags/k", {}),
        ("POST", f"{path}/records", again),
        ("POST", f"{path}/add-experiments", {"experiment_ids": [experiment_id]}),
        ("POST", f"{path}/remove-experiments", {"experiment_ids": [experiment_id]}),
        ("POST", f"{root}/scorers/register", register),
        ("PUT", f"{root}/scorers/online-config", {**scorer, "sample_rate": 0}),
        ("POST", f"{root}/issues", issue),
        ("PATCH", one_issue, {"issue_id": written["issue_id"], "status": "resolved"}),
    ]
    deletions: list[tuple[str, str, dict[str, object]]] = [
        ("DELETE", path, {}),
        ("DELETE", f"{path}/records", {"dataset_record_ids": ["dr-" + "0" * 32]}),
        ("DELETE", f"{root}/scorers/delete", dict(scorer)),
    ]
    for client, refused in ((reader, changes + deletions), (writer, deletions)):
        for method, address, body in refused:
            answer = client.send(method, address, body)
            assert (answer.status, answer.json["error_code"]) == (403, "PERMISSION_DENIED"), address
        assert (
            ok(client.get(path))["dataset"]["digest"] == ok(target.get(path))["dataset"]["digest"]
        )
        assert ok(client.get(f"{path}/records"))["records"] == records
        assert len(ok(client.post(f"{root}/datasets/search"))["datasets"]) == 1
        found = ok(client.get(f"{root}/scorers/get", **scorer))["scorer"]
        assert found["scorer_id"] == registered["scorer_id"]
        assert ok(client.get(one_issue))["issue"] == written
        assert ok(client.post(f"{root}/issues/search"))["issues"] == [written]
    for method, address, body in changes:
        ok(writer.send(method, address, body))
    blind = with_token(target, workspace, "experiments/read", "models/read")
    for address in (path, f"{path}/records", f"{path}/experiment-ids", one_issue):
        assert blind.get(address).status == 404
    assert blind.get(f"{root}/scorers/get", **scorer).status == 404


def test_who_may_not_read_finds_nothing(served: tuple[Target, Workspace]) -> None:
    target, workspace = served
    run_id = target.run()
    blind = with_token(target, workspace, "models/read")
    answer = blind.get("runs/get", run_id=run_id)
    assert (answer.status, answer.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_graphql_shows_nobody_more_than_its_calls_do(served: tuple[Target, Workspace]) -> None:
    target, workspace = served
    run_id, model = target.run(), target.name("model")
    number = target.read(run_id)["info"]["experiment_id"]
    target.log(run_id, "secret", 1.5)
    ok(target.post("registered-models/create", name=model))
    source = f"runs:/{run_id}/model"
    ok(target.post("model-versions/create", name=model, source=source, run_id=run_id))
    run = f'input: {{runId: "{run_id}"}}'
    experiments = f'input: {{experimentIds: ["{number}"]}}'
    metric = f'input: {{runIds: ["{run_id}"], metricKey: "secret"}}'
    asked = {
        "a": f"mlflowGetRun({run}) {{ run {{ info {{ runName }} }} }}",
        "b": f"mlflowListArtifacts({run}) {{ rootUri }}",
        "c": f'mlflowGetExperiment(input: {{experimentId: "{number}"}}) {{ __typename }}',
        "d": f"mlflowGetMetricHistoryBulkInterval({metric}) {{ metrics {{ value }} }}",
        "e": f"mlflowSearchRuns({experiments}) {{ runs {{ __typename }} }}",
        "f": "mlflowSearchModelVersions(input: {}) { modelVersions { name } }",
    }
    query = "{ " + " ".join(f"{name}: {text}" for name, text in asked.items()) + " }"
    assert target.post("/graphql", query=query).json["errors"] is None

    blind = ok(with_token(target, workspace, "models/read").post("/graphql", query=query))
    hidden = {name for name, found in blind["data"].items() if found is None}
    assert hidden == set("abcde")
    assert len(blind["errors"]) == 5
    assert f"Run with id={run_id} not found" in blind["errors"]
    datasets = f"mutation {{ mlflowSearchDatasets({experiments}) {{ __typename }} }}"
    unseen = with_token(target, workspace, "models/read").post("/graphql", query=datasets).json
    assert unseen["data"] == {"mlflowSearchDatasets": None}
    assert unseen["errors"]

    reader = with_token(target, workspace, "experiments/read", "experiments/runs/read")
    inner = "run { experiment { experimentId } modelVersions { name } }"
    nested = f"{{ mlflowGetRun({run}) {{ {inner} }} }}"
    answer = ok(reader.post("/graphql", query=nested))
    shown = answer["data"]["mlflowGetRun"]["run"]
    assert shown == {"experiment": {"experimentId": number}, "modelVersions": None}
    assert len(answer["errors"]) == 1
    assert len(ok(target.post("/graphql", query=nested))["data"]["mlflowGetRun"]["run"]) == 2


def test_a_source_of_no_runs_id_opens_no_files(served: tuple[Target, Workspace]) -> None:
    target, workspace = served
    run_id, model = target.run(), target.name("model")
    number = target.read(run_id)["info"]["experiment_id"]
    target.put_artifact(f"{number}/{run_id}/artifacts/model/secret", b"x")
    ok(target.post("registered-models/create", name=model))
    other = target.run()
    for named in (run_id.upper(), f"{run_id}%2f", f" {run_id}", f"{run_id}\n", "."):
        body = {"name": model, "source": f"runs:/{named}/model", "run_id": other}
        target.post("model-versions/create", **body)
    kept = workspace.connection.models.versions(model).items
    assert all(not version.files for version in kept)


def test_a_jupyter_server_speaks_the_protocol_too(server: Server) -> None:
    token = server.local.connection.tokens.create(CreateToken("client", ["*"])).token
    url = f"{server.url}ml-workspace-lab/mlflow"
    target = Target(url, {"Authorization": f"Bearer {token}"}, ours=True)
    run_id = target.run()
    target.log(run_id, "m", 1.5)
    info = target.read(run_id)["info"]
    path = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert target.put_artifact(f"{path}/a b.txt", b"x").status == 200
    assert target.get_artifact(f"{path}/a b.txt").content == b"x"
    assert server.local.run(run_id).get_metrics() == {"m": 1.5}
    assert Target(url, {}, ours=True).get("runs/get", run_id=run_id).status == 401


def test_what_was_answered_outlives_a_killed_server(tmp_path: Path) -> None:
    with serving(tmp_path) as (target, process):
        run_id = target.run()
        for step in range(200):
            target.log(run_id, "m", step, step, timestamp=step)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        workspace = Workspace.open(tmp_path / "store")
        assert workspace.run(run_id).get_metrics()["m"] == [float(step) for step in range(200)]


def test_two_callers_log_to_one_run_each_with_their_own_right(
    served: tuple[Target, Workspace],
) -> None:
    target, workspace = served
    run_id = target.run()
    writer = with_token(target, workspace, "experiments/*", "experiments/runs/*")
    for step, client in enumerate([target, writer] * 5):
        client.log(run_id, "m", step, step, timestamp=step)
    found = ok(target.get("metrics/get-history", run_id=run_id, metric_key="m"))["metrics"]
    assert [point["value"] for point in found] == [float(step) for step in range(10)]
