"""Several workers of one deployment: no request fails while they come, go, or are replaced."""

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.endpoints.model import EndpointState
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.errors import InvalidInput
from tests.conftest import agents, end_agents, eventually
from tests.endpoints.support import SCALE, Gate, scale_endpoint, scale_model, score, scoring, script
from tests.endpoints.test_deployments import blue_and_green
from tests.endpoints.test_traffic import answered, metrics, number
from tests.endpoints.test_updates import asking, fresh, kept, wait_for_answers

SLOW = SCALE.replace('return {"y"', 'time.sleep(0.02)\n    return {"y"')


@pytest.fixture
def root(ws: Workspace) -> Path:
    return Path(ws.location)


@pytest.fixture
def endpoint(ws: Workspace, tmp_path: Path) -> Endpoint:
    return scale_endpoint(ws, tmp_path, 1, workers=2)


def workers(endpoint: Endpoint) -> int:
    return endpoint.info().deployments[0].workers


def has(endpoint: Endpoint, count: int, root: Path) -> bool:
    """Whether so many answer, and there are no others."""
    return workers(endpoint) == len(scoring(root)) == count


def pids(endpoint: Endpoint, count: int) -> set[int]:
    """The processes that answer, of which there are to be so many."""
    found: set[int] = set()

    def seen() -> bool:
        found.add(score(endpoint, '{"x": 1}').json["pid"])
        return len(found) >= count

    eventually(seen, what=f"{count} processes answer")
    return found


def test_both_answer_and_each_has_a_log(endpoint: Endpoint, root: Path) -> None:
    assert has(endpoint, 2, root)
    assert pids(endpoint, 2) == {process.pid for process in scoring(root)}
    assert endpoint.info().state is EndpointState.HEALTHY
    assert endpoint.info().deployments[0].scaling == WorkerScaling(workers=2)
    for worker in (1, 2):
        log = endpoint.get_logs(worker=worker)
        assert "Serving scale:1" in log
        assert "POST /score 200" in log
    assert "workers: 2" in endpoint._repr_mimebundle_()["text/plain"]


def test_what_both_count_is_one_sum_that_no_kill_lessens(endpoint: Endpoint, root: Path) -> None:
    assert answered(endpoint, 400) == {(200, "default"): 400}

    def scored() -> int:
        return number(metrics(endpoint), "requests_total", 'page="score"', 'code="200"')

    assert scored() == 400
    lines = metrics(endpoint)
    assert number(lines, "workers") == 2
    assert number(lines, "resident_memory_bytes") > 2e7
    assert number(lines, "scored_seconds_count") >= 400
    psutil.Process(max(pids(endpoint, 2))).kill()
    before = scored()
    assert before >= 400
    eventually(lambda: endpoint.info().restarts == 1 and has(endpoint, 2, root))
    answered(endpoint, 80)
    assert scored() >= before + 80
    endpoint.scale(1)
    eventually(lambda: has(endpoint, 1, root))
    after = scored()
    assert after >= before + 80
    answered(endpoint, 80)
    assert scored() == after + 80


def test_one_that_is_at_work_leaves_the_others_to_who_is_free(
    ws: Workspace, tmp_path: Path
) -> None:
    settings = {"max_queued_requests": 0}
    endpoint = scale_endpoint(ws, tmp_path, 1, workers=2, request_settings=settings)
    both = pids(endpoint, 2)
    gate = Gate(tmp_path)
    with asking(fresh(endpoint, gate.body)) as (client,):
        gate.wait_until_begun()
        client.stop.set()
        with closing(_connection(endpoint)) as connection:
            asked = [_ask(connection, endpoint) for _ in range(20)]
        for _ in range(20):
            answer = score(endpoint, '{"x": 1}')
            assert answer.status == 200, answer
            asked.append(answer.json["pid"])
        gate.open()
        client.join(30)
    assert client.failures == []
    assert len(set(asked)) == 1
    assert set(asked) < both


def test_a_full_deployment_says_so(ws: Workspace, tmp_path: Path) -> None:
    settings = {"max_queued_requests": 0}
    endpoint = scale_endpoint(ws, tmp_path, 1, workers=2, request_settings=settings)
    pids(endpoint, 2)
    gates = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        gates.append(Gate(tmp_path / name))
    with asking(fresh(endpoint, gates[0].body)) as (one,):
        gates[0].wait_until_begun()
        with asking(fresh(endpoint, gates[1].body)) as (two,):
            gates[1].wait_until_begun()
            one.stop.set()
            two.stop.set()
            refused = score(endpoint, '{"x": 1}')
            for gate in gates:
                gate.open()
    assert refused.status == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert [one.failures, two.failures] == [[], []]


def _connection(endpoint: Endpoint) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", endpoint.info().port, timeout=30)


def _ask(connection: http.client.HTTPConnection, endpoint: Endpoint) -> int:
    assert endpoint.keys is not None
    headers = {"Authorization": f"Bearer {endpoint.keys.primary}"}
    connection.request("POST", "/score", '{"x": 1}', headers)
    response = connection.getresponse()
    said = response.read()
    assert response.status == 200, said
    return int(json.loads(said)["pid"])


def test_another_number_lets_no_request_fail(endpoint: Endpoint, root: Path) -> None:
    asks = [fresh(endpoint), fresh(endpoint), kept(endpoint), kept(endpoint)]
    with asking(*asks) as clients:
        for count in (3, 1, 4, 2, 1):
            wait_for_answers(clients)
            endpoint.scale(count)
            eventually(lambda n=count: has(endpoint, n, root), what=f"there are {count}")
        wait_for_answers(clients)
    assert [client.failures for client in clients] == [[]] * 4
    assert endpoint.info().restarts == 0
    assert endpoint.info().state is EndpointState.HEALTHY


def test_it_grows_under_load_and_shrinks_when_it_is_idle(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    settings = {
        "autoscale_enabled": True,
        "autoscale_max_replicas": 3,
        "autoscale_refresh_seconds": 0.1,
    }
    model = scale_model(ws, tmp_path, 1)
    path = script(tmp_path, SLOW)
    endpoint = Endpoint.deploy(ws, "scale", model, scoring_script=path, workers=settings)
    assert has(endpoint, 1, root)
    with asking(*[fresh(endpoint)] * 6, kept(endpoint), kept(endpoint)) as clients:
        eventually(lambda: has(endpoint, 3, root), 60, "it grows to the most that it may have")
        assert len(pids(endpoint, 3)) == 3
        wait_for_answers(clients)
        updated = scale_model(ws, tmp_path, 2).deploy("scale", scoring_script=path)
        assert updated.info().deployments[0].workers == 3, "an update begins with as many"
        wait_for_answers(clients)
    eventually(lambda: has(endpoint, 1, root), 120, "it shrinks")
    assert [client.failures for client in clients] == [[]] * 8
    told = [event.data for event in ws.connection.events.list(0).events]
    numbers = [data["workers"] for data in told if "workers" in data]
    assert {"1", "2", "3"} <= set(numbers)


def test_ten_updates_let_no_request_fail(endpoint: Endpoint, root: Path, tmp_path: Path) -> None:
    ws = endpoint.workspace
    asks = [fresh(endpoint), fresh(endpoint), kept(endpoint), kept(endpoint)]
    with asking(*asks) as clients:
        for factor in range(2, 12):
            wait_for_answers(clients)
            model = scale_model(ws, tmp_path, factor)
            model.deploy("scale", scoring_script=tmp_path / "score.py")
            after = [score(endpoint, '{"x": 1}').json["y"] for _ in range(10)]
            assert after == [factor] * 10, "the old ones take no more"
        wait_for_answers(clients)
    assert [client.failures for client in clients] == [[]] * 4
    assert sum(len(client.answers) for client in clients) > 100
    eventually(lambda: has(endpoint, 2, root), what="the old ones leave")


def test_a_new_key_counts_for_all_at_once(endpoint: Endpoint) -> None:
    assert endpoint.keys is not None
    old, secondary = endpoint.keys.primary, endpoint.keys.secondary
    pids(endpoint, 2)

    def ask() -> float:
        answer = score(endpoint, '{"x": 1}', secondary)
        assert answer.status == 200
        return float(answer.json["y"])

    with asking(ask, ask) as clients:
        for _ in range(5):
            wait_for_answers(clients)
            new = endpoint.regen_key("primary")
            assert {score(endpoint, "{}", old).status for _ in range(20)} == {401}
            assert {score(endpoint, '{"x": 1}', new).status for _ in range(20)} == {200}
            old = new
    assert [client.failures for client in clients] == [[], []]


def test_another_agent_adopts_all_of_them(endpoint: Endpoint, root: Path) -> None:
    before = pids(endpoint, 2)
    end_agents(root)
    with asking(fresh(endpoint), kept(endpoint)) as clients:
        wait_for_answers(clients)
        wake(root)
        eventually(lambda: agents(root))
        wait_for_answers(clients)
        assert {process.pid for process in scoring(root)} == before, "they were left alone"
    assert [client.failures for client in clients] == [[], []]
    psutil.Process(max(before)).kill()
    eventually(lambda: endpoint.info().restarts == 1 and has(endpoint, 2, root))
    assert len(before & pids(endpoint, 2)) == 1


def test_all_of_them_killed_at_once_come_back(endpoint: Endpoint, root: Path) -> None:
    for process in scoring(root):
        process.kill()
    eventually(lambda: endpoint.info().restarts >= 2)
    eventually(lambda: has(endpoint, 2, root), 60, "both are back")
    info = endpoint.wait_for_deployment()
    assert (info.state, info.reason) == (EndpointState.HEALTHY, "")


def test_a_second_one_that_does_not_start_takes_nothing_from_the_first(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    text = SCALE + "\nif Path('taken').exists(): raise RuntimeError('no room')\n"
    text += "Path('taken').touch()\n"
    model, path = scale_model(ws, tmp_path, 1), script(tmp_path, text)
    endpoint = Endpoint.deploy(ws, "scale", model, scoring_script=path, workers=2, wait=False)
    info = eventually(lambda: (found := endpoint.info()).state is EndpointState.UNHEALTHY and found)
    assert info.reason == "1 of 2 workers answers. RuntimeError: no room"
    assert answered(endpoint, 40) == {(200, "default"): 40}
    endpoint.scale(1)
    info = endpoint.wait_for_deployment()
    assert info.reason == ""
    assert has(endpoint, 1, root)


def test_a_failed_update_leaves_those_before_it(
    endpoint: Endpoint, root: Path, tmp_path: Path
) -> None:
    model = scale_model(endpoint.workspace, tmp_path, 2)
    with asking(fresh(endpoint), kept(endpoint)) as clients:
        wait_for_answers(clients)
        model.deploy("scale", scoring_script=script(tmp_path, "exit(1)"), wait=False)
        eventually(lambda: endpoint.info().state is EndpointState.FAILED)
        wait_for_answers(clients)
    assert [client.failures for client in clients] == [[], []]
    psutil.Process(max(pids(endpoint, 2))).kill()
    eventually(lambda: has(endpoint, 2, root), what="those are looked after")
    assert score(endpoint, '{"x": 1}').json["y"] == 1


def test_traffic_and_copies_are_those_of_all_workers(ws: Workspace, tmp_path: Path) -> None:
    endpoint = blue_and_green(ws, tmp_path)
    for name in ("blue", "green"):
        endpoint.scale(2, name)
        eventually(lambda name=name: endpoint.deployments[name].workers == 2)
    endpoint.set_traffic({"blue": 70, "green": 30})
    found = answered(endpoint, 2000)
    assert found.keys() == {(200, "blue"), (200, "green")}
    assert abs(found[200, "green"] - 600) < 60, found
    lines = metrics(endpoint)
    for name in ("blue", "green"):
        counted = number(lines, "requests_total", f'deployment="{name}"', 'page="score"')
        assert counted == found[200, name]
    assert number(lines, "workers") == 4
    logs = [endpoint.get_logs("green", worker) for worker in (1, 2)]
    assert all("POST /score 200" in log for log in logs), "it is both that are handed requests"
    endpoint.set_traffic({"blue": 100}, mirror_traffic={"green": 50})
    answered(endpoint, 200)
    eventually(lambda: number(metrics(endpoint), "mirrored_requests_total", "answered") >= 90)
    assert number(metrics(endpoint), "mirrored_requests_total") <= 110


def test_a_bad_deployment_of_two_is_rolled_back(ws: Workspace, tmp_path: Path) -> None:
    text = SCALE.replace("def run(data):", "def run(data):\n    raise ValueError('bad')")
    endpoint = blue_and_green(ws, tmp_path, text)
    endpoint.scale(2, "green")
    eventually(lambda: endpoint.deployments["green"].workers == 2)
    endpoint.rollback_if(error_rate=0.2, window_seconds=20, min_requests=20)
    endpoint.set_traffic({"blue": 80, "green": 20})

    def ask() -> float:
        return score(endpoint, '{"x": 1}').status

    with asking(*[ask] * 4):
        info = eventually(lambda: (found := endpoint.info()).rolled_back and found)
    assert info.traffic == {"blue": 100, "green": 0}


def test_a_number_that_can_not_be_is_refused(ws: Workspace, tmp_path: Path) -> None:
    model, path = scale_model(ws, tmp_path, 1), script(tmp_path)
    with pytest.raises(InvalidInput) as refusal:
        Endpoint.deploy(ws, "scale", model, scoring_script=path, workers=0)
    assert refusal.value.field == "workers"
    with pytest.raises(InvalidInput) as refusal:
        Endpoint.deploy(
            ws, "scale", model, scoring_script=path, workers=WorkerScaling(autoscale_max_replicas=2)
        )
    assert refusal.value.field == "autoscale_max_replicas"
    assert ws.endpoints == {}


def test_an_update_keeps_the_number_unless_it_names_one(
    endpoint: Endpoint, root: Path, tmp_path: Path
) -> None:
    model, path = scale_model(endpoint.workspace, tmp_path, 3), tmp_path / "score.py"
    model.deploy("scale", scoring_script=path)
    assert workers(endpoint) == 2
    model.deploy("scale", scoring_script=path, workers=(1, 2))
    assert endpoint.info().deployments[0].scaling.autoscale_enabled
    model.deploy("scale", scoring_script=path, workers=1)
    eventually(lambda: has(endpoint, 1, root))


def test_clients_of_one_that_is_busier_go_to_the_others(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    """Of a model that answers in the event loop nothing waits that could be handed over."""
    from sklearn.linear_model import LogisticRegression

    from ml_workspace_lab.client.model import Model

    fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    model = Model.register(ws, "line", model=fitted, input_example=[[0.5]])
    endpoint = Endpoint.deploy(ws, "line", model, engine="native")
    assert endpoint.keys is not None
    headers = {"Authorization": f"Bearer {endpoint.keys.primary}"}

    def asker() -> Any:
        connection = _connection(endpoint)

        def ask() -> float:
            connection.request("POST", "/score", '{"data": [[0.2]]}', headers)
            response = connection.getresponse()
            response.read()
            assert response.status == 200
            return 0

        return ask

    with asking(*[asker() for _ in range(6)]) as clients:
        wait_for_answers(clients)
        endpoint.scale(2)
        eventually(lambda: has(endpoint, 2, root))
        eventually(lambda: endpoint.get_logs(worker=2).count("POST /score 200") > 50)
    assert [client.failures for client in clients] == [[]] * 6
