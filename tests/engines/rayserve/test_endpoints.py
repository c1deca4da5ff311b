"""Deployments of endpoints on a real Ray Serve."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.compute.model import AttachCompute
from ml_workspace_lab.endpoints.model import EndpointState
from tests.conftest import end_agents, eventually
from tests.endpoints.conformance import DeploymentContract, Place
from tests.endpoints.support import request, score
from tests.engines.ray.cluster import CORES, RAY, Cluster

TARGET = "rays"
THEIRS = """
from ray import serve

@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Theirs:
    def __call__(self, request):
        return "theirs"

serve.start(http_options={"host": "0.0.0.0"})
serve.run(Theirs.bind(), name="theirs", route_prefix="/theirs")
"""
STORED = """
import ray
from ray.experimental.internal_kv import _internal_kv_list

ray.init(log_to_driver=False)
print("stored:", _internal_kv_list("", namespace="ml-workspace-lab"))
"""
TELLING = """
import os
def init(): pass
def run(data):
    return sorted(name for name in os.environ if name.startswith("RAY_"))
"""


@pytest.fixture
def place(ws: Workspace, cluster: Cluster, token_file: Path, tmp_path: Path) -> Iterator[Place]:
    settings = {
        "address": cluster.url,
        "token_file": str(token_file),
        "endpoints": {"python": str(RAY.with_name("python"))},
    }
    ws.connection.computes.attach(AttachCompute(TARGET, "ray", settings))
    yield Place(ws, TARGET, tmp_path, cluster.scoring_processes, cluster.serve_leftovers)
    for endpoint in ws.endpoints.values():
        endpoint.delete()
    eventually(lambda: not cluster.serve_leftovers(), 120, "nothing is left of endpoints")
    end_agents(Path(ws.location))


class TestRay(DeploymentContract):
    @pytest.fixture
    def place(self, place: Place) -> Place:
        return place


def test_applications_of_others_are_left_alone_and_nothing_of_ours_is_left(
    place: Place, cluster: Cluster
) -> None:
    cluster.run(THEIRS)
    url = f"http://{cluster.head.address}:8000/theirs"
    assert request("GET", url).content == b"theirs"
    endpoint = place.deploy(2, TELLING)
    assert endpoint.run({}) == ["RAY_USAGE_STATS_ENABLED"], "the image's own, and not Ray's token"
    assert request("GET", url).content == b"theirs"
    endpoint.delete()
    eventually(lambda: not cluster.serve_leftovers(), 120, "ours is gone")
    eventually(lambda: "stored: []" in cluster.run(STORED), 120, "its image is gone")
    assert request("GET", url).content == b"theirs"
    cluster.run("from ray import serve; serve.delete('theirs')")


def test_another_number_of_replicas_starts_none_anew(place: Place) -> None:
    endpoint = place.deploy(2)
    [before] = place.replicas()
    endpoint.scale(2)
    eventually(lambda: endpoint.info().workers == 2, 120, "both are counted")
    assert before in place.replicas()
    eventually(lambda: len({endpoint.run({"x": 1})["pid"] for _ in range(20)}) == 2)
    endpoint.scale((1, 2))
    endpoint.scale(1)
    eventually(lambda: endpoint.info().workers == 1, 120, "one is enough")
    assert "POST /score 200" in endpoint.get_logs()
    assert "/healthz" not in endpoint.get_logs()
    assert score(endpoint, '{"x": 1}').json["y"] == 2.0


def test_updates_one_after_the_other_take_no_more_room_than_two(
    place: Place, cluster: Cluster
) -> None:
    endpoint = place.deploy(0)
    for factor in range(1, 2 * CORES):  # for each of which there is room for one replica
        place.deploy(factor)
    assert endpoint.run({"x": 1})["y"] == 2 * CORES - 1
    eventually(lambda: len(cluster.serve_leftovers()) == 1, 120, "those before it go")


def test_what_somebody_removes_is_made_again(place: Place, cluster: Cluster) -> None:
    endpoint = place.deploy(2)
    [name] = cluster.serve_leftovers()
    cluster.run(f"from ray import serve; serve.delete({name!r})")
    eventually(lambda: score(endpoint, '{"x": 1}').status == 503, 60, "it is away")
    eventually(lambda: score(endpoint, '{"x": 1}').status == 200, 180, "it is there again")
    eventually(lambda: endpoint.info().state is EndpointState.HEALTHY, 60, "it says so")


def test_what_has_no_room_says_so_and_holds_up_nothing(place: Place) -> None:
    endpoint = place.deploy(2, resources={"cores": 64}, wait=False)
    eventually(lambda: "to be scheduled" in endpoint.info().reason, 120, "Ray says why")
    assert endpoint.info().state is EndpointState.CREATING
    assert place.deploy(3).run({"x": 1})["y"] == 3.0
