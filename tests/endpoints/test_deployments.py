"""Several deployments behind one endpoint: each has a process, a model, a script and a log."""

from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.endpoints.model import EndpointState
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, Unavailable
from tests.conftest import agents, end_agents, eventually
from tests.endpoints.support import request, scale_model, score, scoring, script


@pytest.fixture
def root(ws: Workspace) -> Path:
    return Path(ws.location)


@pytest.fixture
def endpoint(ws: Workspace, tmp_path: Path) -> Endpoint:
    """`blue` doubles and has all the traffic, `green` triples and has none."""
    return blue_and_green(ws, tmp_path)


def blue_and_green(ws: Workspace, folder: Path, text: str | None = None) -> Endpoint:
    endpoint = Endpoint.deploy(
        ws, "scale", scale_model(ws, folder, 2), scoring_script=script(folder), deployment="blue"
    )
    other = folder / "green"
    other.mkdir()
    source = script(other) if text is None else script(other, text)
    model = scale_model(ws, other, 3)
    Endpoint.deploy(ws, "scale", model, scoring_script=source, deployment="green")
    return endpoint


def by(endpoint: Endpoint, deployment: str) -> float:
    answer = score(endpoint, '{"x": 1}', azureml_model_deployment=deployment)
    assert (answer.status, answer.headers["azureml-model-deployment"]) == (200, deployment)
    return float(answer.json["y"])


def test_a_header_picks_the_deployment(endpoint: Endpoint, root: Path) -> None:
    assert [by(endpoint, "blue"), by(endpoint, "green")] == [2, 3]
    answer = score(endpoint, '{"x": 1}')
    assert (answer.json["y"], answer.headers["azureml-model-deployment"]) == (2, "blue")
    assert len(scoring(root)) == 2
    assert [endpoint.run({"x": 1}, name)["y"] for name in ("blue", "green")] == [2, 3]
    info = endpoint.info()
    assert info.traffic == {"blue": 100, "green": 0}
    assert [one.model_version for one in info.deployments] == [1, 2]
    assert info.model_version == 1


def test_an_unknown_deployment_is_told_so(endpoint: Endpoint) -> None:
    answer = score(endpoint, '{"x": 1}', azureml_model_deployment="red")
    assert answer.status == 404
    assert "no deployment 'red'" in answer.json["message"]
    no_key = request("POST", endpoint.scoring_uri, "{}", azureml_model_deployment="red")
    assert no_key.status == 401, "keys first"
    with pytest.raises(NotFound, match="no deployment 'red'"):
        endpoint.run({"x": 1}, "red")


def test_each_deployment_is_updated_and_logs_by_itself(
    endpoint: Endpoint, ws: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="has 2: blue, green"):
        scale_model(ws, tmp_path, 9).deploy("scale")
    text = script(tmp_path).read_text() + "\nprint('this is the new green')\n"
    model = scale_model(ws, tmp_path, 5)
    model.deploy("scale", scoring_script=script(tmp_path, text), deployment="green")
    assert [by(endpoint, "blue"), by(endpoint, "green")] == [2, 5]
    assert "this is the new green" in endpoint.get_logs("green")
    assert "this is the new green" not in endpoint.get_logs()


def test_a_deployment_that_fails_leaves_the_others_alone(
    endpoint: Endpoint, ws: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="Deployment red of endpoint scale is Failed"):
        Endpoint.deploy(
            ws,
            "scale",
            scale_model(ws, tmp_path, 1),
            scoring_script=script(tmp_path, "exit(1)"),
            deployment="red",
        )
    assert endpoint.info().state is EndpointState.HEALTHY
    assert endpoint.deployments["red"].state is EndpointState.FAILED
    with pytest.raises(Conflict, match="red is Failed"):
        endpoint.set_traffic({"blue": 90, "red": 10})
    assert score(endpoint, "{}", azureml_model_deployment="red").status == 503
    endpoint.delete_deployment("red")


def test_a_deployment_with_traffic_is_not_deleted(endpoint: Endpoint, root: Path) -> None:
    with pytest.raises(Conflict, match="blue has 100 % of the traffic"):
        endpoint.delete_deployment("blue")
    endpoint.set_traffic(mirror_traffic={"green": 10})
    with pytest.raises(Conflict, match="green has 10 % of the mirrored traffic"):
        endpoint.delete_deployment("green")
    endpoint.set_traffic(mirror_traffic={})
    with pytest.raises(Conflict, match="serves scale:2"):
        endpoint.workspace.models["scale"].delete()
    endpoint.delete_deployment("green")
    assert score(endpoint, "{}", azureml_model_deployment="green").status == 404
    eventually(lambda: len(scoring(root)) == 1, what="its process leaves")
    eventually(lambda: len([*root.glob("endpoints/scale/*/")]) == 1, what="its files go")
    endpoint.set_traffic({})
    with pytest.raises(Conflict, match="last deployment"):
        endpoint.delete_deployment("blue")


def test_the_front_is_deleted_once_another_has_the_traffic(endpoint: Endpoint, root: Path) -> None:
    endpoint.set_traffic({"green": 100})
    assert score(endpoint, '{"x": 1}').json["y"] == 3
    endpoint.delete_deployment("blue")
    eventually(lambda: len(scoring(root)) == 1, what="blue leaves")
    answer = score(endpoint, '{"x": 1}')
    assert (answer.status, answer.json["y"]) == (200, 3)


def test_keys_are_those_of_all_deployments(endpoint: Endpoint) -> None:
    assert endpoint.keys is not None
    old = endpoint.keys.primary
    endpoint.regen_key("primary")
    for name in ("blue", "green"):
        assert score(endpoint, '{"x": 1}', azureml_model_deployment=name).status == 200
        assert score(endpoint, '{"x": 1}', old, azureml_model_deployment=name).status == 401


def test_another_agent_adopts_all_deployments(endpoint: Endpoint, root: Path) -> None:
    endpoint.set_traffic({"blue": 50, "green": 50})
    before = {p.pid for p in scoring(root)}
    end_agents(root)
    assert {by(endpoint, name) for name in ("blue", "green")} == {2, 3}
    wake(root)
    eventually(lambda: agents(root))
    green = endpoint.run({"x": 1}, "green")["pid"]
    psutil.Process(green).kill()
    eventually(lambda: endpoint.deployments["green"].restarts == 1)
    endpoint.wait_for_deployment(deployment="green")
    assert by(endpoint, "green") == 3
    after = {p.pid for p in scoring(root)}
    assert len(after) == 2
    assert before - after == {green}, "the other one was left alone"


def test_names_of_deployments_follow_azures_rule(ws: Workspace, tmp_path: Path) -> None:
    model = scale_model(ws, tmp_path, 1)
    for name in ("b", "Blue", "blue_1", "1blue", "blue-", "b" * 33):
        with pytest.raises(InvalidInput, match="deployment"):
            model.deploy("scale", scoring_script=script(tmp_path), deployment=name)
