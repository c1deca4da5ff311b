"""The contract of a deployment, wherever it is served."""

from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import Endpoint
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.endpoints.model import EndpointState
from ml_workspace_lab.errors import Unavailable
from tests.conftest import agents, end_agents, eventually
from tests.endpoints.conformance.place import Place
from tests.endpoints.support import request, score
from tests.endpoints.test_updates import asking, fresh, kept, wait_for_answers

BROKEN = "def init():\n    raise ValueError('no luck')\ndef run(data):\n    pass\n"
TELLING = """
import os
def init(): pass
def run(data): return [os.environ["WORD"], os.environ["SERVICE_NAME"]]
"""
RAISING = "def init(): pass\ndef run(data):\n    raise ValueError('a secret of the script')\n"


def answers(endpoint: Endpoint) -> bool:
    try:
        return score(endpoint, '{"x": 1}').status == 200
    except OSError:
        return False


class DeploymentContract:
    """Tests of deployments in a `Place`."""

    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    def test_it_answers_who_has_a_key_and_says_what_it_is(self, place: Place) -> None:
        endpoint = place.deploy(2)
        answer = score(endpoint, '{"x": 21}')
        assert (answer.status, answer.json["y"]) == (200, 42.0)
        assert answer.headers["azureml-model-deployment"] == "default"
        assert answer.headers["x-request-id"]
        assert float(answer.headers["x-ms-run-fn-exec-ms"]) >= 0
        assert score(endpoint, '{"x": 1}', "another key").status == 401
        assert score(endpoint, '{"x": 1}', endpoint.keys.secondary).status == 200  # type: ignore[union-attr]
        assert endpoint.run({"x": 3})["y"] == 6.0
        root = endpoint.scoring_uri.removesuffix("/score")
        assert request("GET", f"{root}/").content == b"Healthy"
        assert request("GET", f"{root}/swagger.json").json["info"]["title"]
        assert request("GET", f"{root}/nowhere").status == 404
        info = endpoint.info()
        assert (info.state, info.reason) == (EndpointState.HEALTHY, "")
        assert info.deployments[0].compute_target == place.name
        assert len(place.replicas()) == 1

    def test_variables_arrive_as_they_are(self, place: Place) -> None:
        word = "$(HOME) $$ 'ä' \"b\""
        endpoint = place.deploy(2, TELLING, environment_variables={"WORD": word})
        assert endpoint.run({}) == [word, "scale"]

    def test_limits_and_errors_are_those_of_the_script_and_its_settings(self, place: Place) -> None:
        endpoint = place.deploy(2, RAISING, request_settings={"max_body_bytes": 1000})
        failed = score(endpoint, '{"x": 1}')
        assert failed.status == 500
        assert failed.headers["x-ms-run-function-failed"] == "True"
        assert "a secret" not in failed.content.decode()
        assert score(endpoint, f'{{"x": "{"y" * 2000}"}}').status == 413
        eventually(lambda: "a secret of the script" in endpoint.get_logs(), what="the log has it")

    def test_an_update_lets_no_request_fail(self, place: Place) -> None:
        endpoint = place.deploy(1)
        address = endpoint.scoring_uri
        with asking(*[fresh(endpoint) for _ in range(3)], kept(endpoint)) as clients:
            for factor in (2, 3):
                wait_for_answers(clients)
                assert place.deploy(factor).keys is None, "those it had go on"
                after = [score(endpoint, '{"x": 1}').json["y"] for _ in range(20)]
                assert after == [factor] * 20, "the one before takes no more"
            wait_for_answers(clients)
        for client in clients:
            assert client.failures == []
            assert set(client.answers) == {1, 2, 3}
        assert endpoint.info().scoring_uri == address
        eventually(lambda: len(place.replicas()) == 1, what="those before it leave")

    def test_what_can_not_start_says_why(self, place: Place) -> None:
        with pytest.raises(Unavailable, match="ValueError: no luck"):
            place.deploy(1, BROKEN)
        endpoint = Endpoint(place.ws, "scale")
        assert endpoint.info().state is EndpointState.FAILED
        mended = place.deploy(2)
        assert mended.run({"x": 1})["y"] == 2.0

    def test_an_update_that_can_not_start_leaves_what_served(self, place: Place) -> None:
        endpoint = place.deploy(1)
        with asking(fresh(endpoint)) as (client,):
            with pytest.raises(Unavailable, match="ValueError: no luck"):
                place.deploy(2, BROKEN)
            wait_for_answers([client])
        assert client.failures == []
        assert set(client.answers) == {1}

    def test_a_replica_that_dies_is_replaced(self, place: Place) -> None:
        endpoint = place.deploy(2)
        [before] = place.replicas()
        before.kill()
        eventually(lambda: not before.is_running() or before.status() == "zombie")
        eventually(lambda: answers(endpoint), what="it answers again")
        eventually(lambda: endpoint.info().state is EndpointState.HEALTHY, what="it says so")
        [after] = place.replicas()
        assert after.pid != before.pid

    def test_requests_are_split_and_directed_and_copied(self, place: Place) -> None:
        endpoint = place.deploy(2, deployment="blue")
        place.deploy(3, deployment="green", traffic=25)
        told = [score(endpoint, '{"x": 1}').json["y"] for _ in range(200)]
        assert 45 <= told.count(3.0) <= 55
        picked = score(endpoint, '{"x": 1}', azureml_model_deployment="green")
        assert picked.json["y"] == 3.0
        assert picked.headers["azureml-model-deployment"] == "green"
        assert score(endpoint, "{}", azureml_model_deployment="pink").status == 404
        endpoint.set_traffic({"green": 100})
        endpoint.delete_deployment("blue")
        assert {score(endpoint, '{"x": 1}').json["y"] for _ in range(10)} == {3.0}
        eventually(lambda: len(place.replicas()) == 1, what="the other one leaves")

    def test_a_new_key_counts_at_once_and_the_old_one_no_more(self, place: Place) -> None:
        endpoint = place.deploy(2)
        assert endpoint.keys is not None
        primary, secondary = endpoint.keys.primary, endpoint.keys.secondary
        with asking(lambda: float(score(endpoint, '{"x": 1}', secondary).json["y"])) as (client,):
            made = endpoint.regen_key("primary")
            assert score(endpoint, '{"x": 1}', made).status == 200
            assert score(endpoint, '{"x": 1}', primary).status == 401
            wait_for_answers([client])
        assert client.failures == []

    def test_it_goes_on_without_the_workspace_s_process_and_is_adopted(self, place: Place) -> None:
        endpoint, root = place.deploy(2), Path(place.ws.location)
        before = [process.pid for process in place.replicas()]
        end_agents(root)
        assert answers(endpoint)
        wake(root)
        eventually(lambda: agents(root), what="there is another one")
        place.deploy(3, deployment="other")
        assert before[0] in [process.pid for process in place.replicas()], "it was left alone"
        assert answers(endpoint)

    def test_deleting_leaves_nothing(self, place: Place) -> None:
        endpoint = place.deploy(2)
        processes: list[psutil.Process] = list(place.replicas())
        assert processes
        assert place.leftovers()
        endpoint.delete()
        eventually(lambda: not place.leftovers(), 60, "nothing is left")
        eventually(lambda: not place.replicas(), what="the processes end")
        again = place.deploy(3)
        assert again.run({"x": 1})["y"] == 3.0
