"""What is Kubernetes' own of deployments there, with a mock of its API and real processes."""

import json
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.compute.model import AttachCompute, UpdateCompute
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.endpoints.model import EndpointState
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound, Unavailable
from tests.conftest import end_agents, eventually
from tests.endpoints.conformance.place import SAYING, Place
from tests.endpoints.kubernetes.nodes import Nodes
from tests.endpoints.support import request, scale_model, score, script


@pytest.fixture
def place(ws: Workspace, tmp_path: Path, nodes: Nodes, pods: str) -> Place:
    return Place(ws, pods, tmp_path, replicas=list, leftovers=nodes.leftovers)


def waits_for(endpoint: Endpoint, words: str) -> None:
    eventually(lambda: words in endpoint.info().reason, 60, f"it says {words}")


def test_a_deployment_of_this_machine_and_one_of_a_cluster_share_an_endpoint(
    place: Place, nodes: Nodes
) -> None:
    endpoint = Endpoint.deploy(
        place.ws, "scale", place.model(2), scoring_script=script(place.folder), deployment="blue"
    )
    place.deploy(3, deployment="green", traffic=50)
    told = {score(endpoint, '{"x": 1}').json["y"] for _ in range(20)}
    assert told == {2.0, 3.0}
    endpoint.set_traffic({"green": 100})
    assert len(nodes.all_pods()) == 1


def test_a_deployment_moves_to_a_cluster_and_back(place: Place, nodes: Nodes) -> None:
    endpoint = Endpoint.deploy(
        place.ws, "scale", place.model(2), scoring_script=script(place.folder)
    )
    place.deploy(3)
    assert score(endpoint, '{"x": 1}').json["y"] == 3.0
    assert len(nodes.deployments()) == 1
    Endpoint.deploy(place.ws, "scale", place.model(4), scoring_script=script(place.folder))
    assert score(endpoint, '{"x": 1}').json["y"] == 4.0
    eventually(lambda: not nodes.leftovers(), what="nothing is left on the cluster")


def test_what_somebody_deletes_is_there_again(place: Place, nodes: Nodes) -> None:
    endpoint = place.deploy(2)
    [found] = nodes.deployments()
    name = found["metadata"]["name"]
    nodes.ask("DELETE", f"/apis/apps/v1/namespaces/default/deployments/{name}")
    eventually(lambda: nodes.deployments(), what="it is applied again")
    eventually(lambda: endpoint.info().state is EndpointState.HEALTHY, 60, "it is well")
    eventually(lambda: score(endpoint, '{"x": 1}').status == 200, what="it answers")


def test_a_full_cluster_and_a_lost_image_are_told_and_waited_for(
    place: Place, nodes: Nodes
) -> None:
    nodes.is_full = True
    endpoint = place.deploy(2, wait=False)
    waits_for(endpoint, "Unschedulable: 0/1 nodes are available.")
    assert endpoint.info().state is EndpointState.CREATING
    nodes.is_full = False
    endpoint.wait_for_deployment(60)
    assert endpoint.run({"x": 1})["y"] == 2.0


def test_a_cluster_that_is_away_changes_nothing_of_what_serves(
    place: Place, nodes: Nodes, settings: dict[str, Any]
) -> None:
    endpoint, root = place.deploy(2), Path(place.ws.location)
    config = Path(settings["kubeconfig"])
    there = config.read_text()
    config.write_text(there.replace(nodes.url, "http://127.0.0.1:1"))
    end_agents(root)
    wake(root)
    waits_for(endpoint, "can't be reached")
    assert endpoint.info().state is EndpointState.HEALTHY
    assert score(endpoint, '{"x": 1}').json["y"] == 2.0
    config.write_text(there)
    eventually(lambda: not endpoint.info().reason, what="it is seen again")


def test_the_key_of_the_cluster_s_side_is_none_of_the_endpoint_s(
    place: Place, nodes: Nodes
) -> None:
    endpoint = place.deploy(2)
    [service] = nodes.items("/api/v1/namespaces/default/services")
    root = f"http://127.0.0.1:{service['spec']['ports'][0]['nodePort']}"
    assert endpoint.keys is not None
    bearer = f"Bearer {endpoint.keys.primary}"
    assert request("POST", f"{root}/score", "{}", Authorization=bearer).status == 401
    assert request("GET", f"{root}/healthz").status == 200
    told = json.dumps([nodes.deployments(), service])
    for pod in nodes.all_pods():
        assert (pod.folder / "keys").read_text() not in told


def test_what_can_not_be_served_there_is_refused_before_anything_is_made(
    ws: Workspace, tmp_path: Path, pods: str, settings: dict[str, Any], nodes: Nodes
) -> None:
    model = scale_model(ws, tmp_path, 2)
    options: dict[str, Any] = {"scoring_script": script(tmp_path), "wait": False}

    def refused(kind: type[Exception], match: str, **more: Any) -> None:
        with pytest.raises(kind, match=match):
            Endpoint.deploy(ws, "scale", model, **{**options, "compute_target": pods, **more})

    refused(InvalidInput, "does not say which packages it needs")
    refused(InvalidInput, "There is no environment nowhere", environment="nowhere")
    refused(NotFound, "There is no compute target", compute_target="elsewhere")
    refused(InvalidInput, "a scoring script loads the model", engine="onnx")
    refused(InvalidInput, "is for images", compute_target="local", environment="some")
    refused(InvalidInput, "is for images", compute_target="local", resources={"cores": 1})
    plain = {name: value for name, value in settings.items() if name != "endpoints"}
    ws.connection.computes.attach(AttachCompute("jobs", "kubernetes", plain))
    refused(InvalidInput, "not set up to serve endpoints", compute_target="jobs")
    ws.connection.computes.attach(AttachCompute("queue", "slurm", {}, unchecked=True))
    refused(InvalidInput, "of the kind slurm, which serves no endpoints", compute_target="queue")
    assert ws.endpoints == {}
    assert nodes.leftovers() == []


def test_a_registry_that_is_away_is_waited_for_and_said(
    ws: Workspace, place: Place, settings: dict[str, Any]
) -> None:
    serving = {**settings["endpoints"], "registry": "127.0.0.1:1/lab"}
    ws.connection.computes.update("pods", UpdateCompute({**settings, "endpoints": serving}))
    endpoint = place.deploy(2, wait=False)
    waits_for(endpoint, "127.0.0.1:1")
    assert endpoint.info().state is EndpointState.CREATING
    with pytest.raises(Unavailable):
        endpoint.run({"x": 1})
    ws.connection.computes.update("pods", UpdateCompute(settings))
    endpoint.wait_for_deployment(60)
    assert endpoint.run({"x": 1})["y"] == 2.0


def test_a_target_is_not_detached_while_it_serves(place: Place, nodes: Nodes) -> None:
    endpoint = place.deploy(2)
    with pytest.raises(Conflict, match="serves scale/default"):
        place.ws.connection.computes.detach("pods")
    endpoint.delete()
    eventually(lambda: not nodes.leftovers(), 60, "nothing is left")

    def detached() -> bool:
        try:
            place.ws.connection.computes.detach("pods")
        except Conflict:
            return False
        return True

    eventually(detached, what="nothing of it is known any more")


def test_resources_and_replicas_are_asked_for(place: Place, nodes: Nodes) -> None:
    resources = {"cores": 0.25, "memory_bytes": 10**9}
    endpoint = place.deploy(2, SAYING, resources=resources, workers=2)
    [found] = nodes.deployments()
    [container] = found["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "250m", "memory": "1000000000"},
        "limits": {"memory": "1000000000"},
    }
    assert found["spec"]["replicas"] == 2
    eventually(lambda: endpoint.info().workers == 2, what="both are counted")
    before = {pod.name for pod in nodes.all_pods()}
    endpoint.scale((1, 3))
    scalers = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    [scaler] = eventually(lambda: nodes.items(scalers), what="there is an autoscaler")
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (1, 3)
    assert {pod.name for pod in nodes.all_pods()} == before, "nothing else has changed"
    endpoint.scale(1)
    eventually(lambda: not nodes.items(scalers), what="the autoscaler goes")
    eventually(lambda: endpoint.info().workers == 1, what="one is enough")
    assert endpoint.run({"x": 1})["y"] == 2.0
