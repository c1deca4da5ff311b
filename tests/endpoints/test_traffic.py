"""Requests are split as they are to be, copies change nothing, and a bad deployment goes back."""

import http.client
import json
import threading
from collections import Counter
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, Unavailable
from tests.conftest import eventually
from tests.endpoints.support import SCALE, request, scale_model, score, scoring, script
from tests.endpoints.test_deployments import blue_and_green
from tests.endpoints.test_updates import asking, fresh, kept, wait_for_answers

HEADER = "azureml-model-deployment"


@pytest.fixture
def root(ws: Workspace) -> Path:
    return Path(ws.location)


@pytest.fixture
def endpoint(ws: Workspace, tmp_path: Path) -> Endpoint:
    return blue_and_green(ws, tmp_path)


def answered(endpoint: Endpoint, count: int, threads: int = 8) -> "Counter[tuple[int, str | None]]":
    """The statuses and deployments that so many requests were answered by, asked at once."""
    found: Counter[tuple[int, str | None]] = Counter()
    lock = threading.Lock()
    port, keys = endpoint.info().port, endpoint.keys
    assert keys is not None
    headers = {"Authorization": f"Bearer {keys.primary}"}

    def ask() -> None:
        mine: Counter[tuple[int, str | None]] = Counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(count // threads):
            connection.request("POST", "/score", '{"x": 1}', headers)
            response = connection.getresponse()
            response.read()
            mine[response.status, response.headers[HEADER]] += 1
        with lock:
            found.update(mine)

    workers = [threading.Thread(target=ask) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def metrics(endpoint: Endpoint) -> list[str]:
    assert endpoint.keys is not None
    url = endpoint.scoring_uri.removesuffix("score") + "metrics"
    answer = request("GET", url, Authorization=f"Bearer {endpoint.keys.primary}")
    assert answer.status == 200
    return answer.content.decode().splitlines()


def number(lines: list[str], name: str, *labels: str) -> int:
    """The sum of the values of a name whose lines have all of these labels."""
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in lines
        if line.startswith(f"ml_workspace_endpoint_{name}{{") and all(x in line for x in labels)
    )


def test_ten_thousand_requests_are_split_as_they_are_to_be(endpoint: Endpoint) -> None:
    endpoint.set_traffic({"blue": 90, "green": 10})
    found = answered(endpoint, 10_000)
    assert found.keys() == {(200, "blue"), (200, "green")}
    assert abs(found[200, "green"] - 1000) < 150, found
    lines = metrics(endpoint)
    for name in ("blue", "green"):
        counted = number(lines, "requests_total", f'deployment="{name}"', 'page="score"')
        assert counted == found[200, name]
    assert number(lines, "forwarded_requests_total", 'outcome="answered"') == found[200, "green"]
    assert lines.count("# TYPE ml_workspace_endpoint_requests_total counter") == 1


def test_without_traffic_only_who_names_a_deployment_is_answered(endpoint: Endpoint) -> None:
    endpoint.set_traffic({})
    answer = score(endpoint, '{"x": 1}')
    assert answer.status == 404
    assert "none has traffic" in answer.json["message"]
    assert score(endpoint, '{"x": 1}', azureml_model_deployment="green").json["y"] == 3


def test_what_can_not_be_split_changes_nothing(endpoint: Endpoint) -> None:
    before = endpoint.info()
    with pytest.raises(InvalidInput, match="adds up to 110"):
        endpoint.set_traffic({"blue": 100, "green": 10})
    with pytest.raises(InvalidInput, match="traffic"):
        endpoint.set_traffic({"blue": 101, "green": -1})
    with pytest.raises(InvalidInput, match="mirror_traffic"):
        endpoint.set_traffic(mirror_traffic={"green": 60})
    assert endpoint.info() == before


def test_a_new_deployment_gets_its_share_once_it_answers(
    endpoint: Endpoint, ws: Workspace, tmp_path: Path
) -> None:
    endpoint.set_traffic({"blue": 80, "green": 20})
    model = scale_model(ws, tmp_path, 7)
    made = model.deploy("scale", scoring_script=script(tmp_path), deployment="red", traffic=50)
    assert made.traffic == {"blue": 40, "green": 10, "red": 50}
    with pytest.raises(InvalidInput, match="traffic"):
        model.deploy("scale", scoring_script=script(tmp_path), traffic=5, wait=False)


def test_every_way_to_ask_is_handed_over_unchanged(ws: Workspace, tmp_path: Path) -> None:
    text = """
from azureml.contrib.services.aml_request import rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init(): pass

@rawhttp
def run(request):
    said = f"{request.method} {request.full_path} {request.headers.get('X-Mine')} ".encode()
    return AMLResponse(said + request.get_data(), 207, {"X-Theirs": "caf\\xe9"})
"""
    endpoint = blue_and_green(ws, tmp_path, text)
    assert endpoint.keys is not None
    headers = {
        "Authorization": f"Bearer {endpoint.keys.primary}",
        "X-Mine": "1, 2",
        HEADER: "green",
        "x-ms-client-request-id": "mine",
    }
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.info().port, timeout=30)
    for body in (b"", b"\0\xff" * 70_000):
        connection.request("POST", "/score?a=1&b=%20", iter([body]) if body else b"", headers)
        response = connection.getresponse()
        said = response.read()
        assert said.removesuffix(body) == b"POST /score?a=1&b=%20 1, 2 "
        assert (response.status, response.headers["X-Theirs"]) == (207, "caf\xe9")
        assert response.headers["x-ms-client-request-id"] == "mine"
        assert response.headers.get_all("Date") is not None
        assert [len(response.headers.get_all(name)) for name in (HEADER, "Date")] == [1, 1]  # type: ignore[arg-type]
    connection.request("GET", "/swagger.json", headers=headers)
    assert b"scale" in connection.getresponse().read()


def test_a_dead_deployment_costs_no_request_that_could_be_drawn_otherwise(
    endpoint: Endpoint,
) -> None:
    endpoint.set_traffic({"blue": 90, "green": 10})
    green = psutil.Process(endpoint.run({"x": 1}, "green")["pid"])
    green.suspend()
    green.kill()
    green.wait(10)
    named = score(endpoint, '{"x": 1}', azureml_model_deployment="green")
    assert named.status in (200, 503)
    if named.status == 503:
        assert "green does not answer" in named.json["message"]
        assert named.headers["Retry-After"] == "1"
    assert {status for status, _ in answered(endpoint, 400)} == {200}
    eventually(lambda: endpoint.deployments["green"].restarts == 1)
    endpoint.wait_for_deployment(deployment="green")
    eventually(lambda: (200, "green") in answered(endpoint, 80))


def pid_of(endpoint: Endpoint, deployment: str) -> int | None:
    try:
        return int(endpoint.run({"x": 1}, deployment)["pid"])
    except Unavailable:
        return None


def test_kills_of_a_deployment_end_in_an_answer_or_a_clean_503(endpoint: Endpoint) -> None:
    endpoint.set_traffic({"blue": 50, "green": 50})
    statuses: set[int] = set()

    def ask() -> float:
        statuses.add(score(endpoint, '{"x": 1}').status)
        return 0

    with asking(*[ask] * 4) as clients:
        for restarts in (1, 2, 3):
            wait_for_answers(clients)
            psutil.Process(eventually(lambda: pid_of(endpoint, "green"))).kill()
            eventually(lambda n=restarts: endpoint.deployments["green"].restarts == n)
        wait_for_answers(clients)
    assert [client.failures for client in clients] == [[]] * 4
    assert statuses <= {200, 503}


def test_while_the_front_is_dead_another_deployment_answers(endpoint: Endpoint, root: Path) -> None:
    endpoint.set_traffic({"blue": 90, "green": 10})
    blue = endpoint.run({"x": 1}, "blue")["pid"]
    psutil.Process(blue).kill()
    assert {status for status, _ in answered(endpoint, 80)} == {200}
    eventually(lambda: (200, "blue") in answered(endpoint, 80))
    assert len(scoring(root)) == 2


def test_copies_change_no_answer(endpoint: Endpoint) -> None:
    """Compared byte by byte, but for what is of one request: ids, the time, how long it took."""
    assert endpoint.keys is not None
    bodies = ['{"x": 1}', '{"x": ', "[1, 2]", '{"x": 1e400}', '{"y": 0}', "{}" * 5000]
    pid = endpoint.run({"x": 1}, "blue")["pid"]

    def answers() -> list[object]:
        found = []
        for body in bodies:
            answer = score(endpoint, body, x_request_id="same")
            fields = {
                name.lower(): value
                for name, value in answer.headers.items()
                if name.lower() not in ("date", "x-ms-run-fn-exec-ms")
            }
            found.append((answer.status, fields, answer.content))
        return found

    before = answers()
    endpoint.set_traffic(mirror_traffic={"green": 50})
    for _ in range(10):
        assert answers() == before
    assert endpoint.run({"x": 1})["pid"] == pid
    eventually(lambda: number(metrics(endpoint), "mirrored_requests_total") >= 28)
    assert number(metrics(endpoint), "mirrored_requests_total") <= 32
    eventually(
        lambda: number(metrics(endpoint), "requests_total", 'deployment="green"', "score") >= 28
    )
    endpoint.set_traffic(mirror_traffic={})
    assert endpoint.info().mirror_traffic == {}


def test_a_stuck_copy_delays_nobody(ws: Workspace, tmp_path: Path) -> None:
    text = SCALE.replace("def run(data):", "def run(data):\n    time.sleep(600)")
    endpoint = blue_and_green(ws, tmp_path, text)
    endpoint.set_traffic(mirror_traffic={"green": 50})
    assert answered(endpoint, 1000) == {(200, "blue"): 1000}
    dropped = number(metrics(endpoint), "mirrored_requests_total", 'outcome="dropped"')
    assert dropped > 300, "those that wait are bounded"


BAD = {
    "raises": SCALE.replace("def run(data):", "def run(data):\n    raise ValueError('bad')"),
    "is slow": SCALE.replace("def run(data):", "def run(data):\n    time.sleep(0.2)"),
    "hangs": SCALE.replace("def run(data):", "def run(data):\n    time.sleep(600)"),
    "is stopped": SCALE.replace("def run(data):", "def run(data):\n    os.kill(os.getpid(), 19)"),
    "dies": SCALE.replace("def run(data):", "def run(data):\n    os._exit(1)"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_deployment_is_rolled_back_by_itself(ws: Workspace, tmp_path: Path, how: str) -> None:
    endpoint = blue_and_green(ws, tmp_path, BAD[how])
    blue = pid_of(endpoint, "blue")
    endpoint.rollback_if(error_rate=0.05, p99_ms=100, window_seconds=20, min_requests=4)
    endpoint.set_traffic({"blue": 80, "green": 20})
    ask = fresh(endpoint)

    def asked() -> float:
        try:
            return ask()
        except AssertionError:
            return 0

    with asking(*[asked] * 8):
        info = eventually(
            lambda: (found := endpoint.info()).rolled_back and found, 20, "it is rolled back"
        )
        for process in scoring(Path(ws.location)):
            if process.pid != blue:
                process.kill()  # Those who are stuck there have waited for long enough.
    assert info.traffic == {"blue": 100, "green": 0}
    assert info.rolled_back.deployment == "green"
    assert info.rolled_back.was == {"blue": 80, "green": 20}
    assert "requests" in info.rolled_back.reason or "failed" in info.rolled_back.reason
    told = [
        event
        for event in ws.connection.events.list(0).events
        if event.kind == "endpoint.rolled_back"
    ]
    assert [event.data["reason"] for event in told] == [info.rolled_back.reason]
    found = answered(endpoint, 200)
    assert found == {(200, "blue"): 200}
    endpoint.set_traffic({"blue": 100})
    assert endpoint.info().rolled_back is None, "what is set since is told instead"


def test_a_good_deployment_stays(endpoint: Endpoint) -> None:
    endpoint.rollback_if(error_rate=0.05, p99_ms=5000, window_seconds=60, min_requests=10)
    endpoint.set_traffic({"blue": 50, "green": 50})
    answered(endpoint, 400)
    folder = Path(endpoint.workspace.location, "endpoints", "scale")

    def tallied() -> int:
        # Each process writes its own, by and by.
        found = map(Path.read_bytes, folder.glob("*/tally.json"))
        return sum(json.loads(tally)["answered"] for tally in found)

    eventually(lambda: tallied() == 400)
    info = endpoint.info()
    assert (info.rolled_back, info.traffic) == (None, {"blue": 50, "green": 50})
    endpoint.rollback_if()
    assert endpoint.info().rollback is None
    with pytest.raises(InvalidInput, match="error_rate"):
        endpoint.rollback_if(error_rate=5)


def test_updates_and_changes_of_traffic_let_no_request_fail(
    endpoint: Endpoint, ws: Workspace, tmp_path: Path, root: Path
) -> None:
    endpoint.set_traffic({"blue": 70, "green": 30})
    quick = [fresh(endpoint) for _ in range(3)]
    with asking(*quick, kept(endpoint)) as clients:
        for number_, (name, factor) in enumerate(
            [("green", 4), ("blue", 5), ("green", 6), ("blue", 7)]
        ):
            wait_for_answers(clients)
            scale_model(ws, tmp_path, factor).deploy(
                "scale", scoring_script=tmp_path / "score.py", deployment=name
            )
            after = {score(endpoint, '{"x": 1}', azureml_model_deployment=name).json["y"]}
            assert after == {factor}, "the old one takes no more"
            shares = {"blue": 30 + 20 * (number_ % 3), "green": 70 - 20 * (number_ % 3)}
            endpoint.set_traffic(shares)
            wait_for_answers(clients)
        endpoint.set_traffic({"green": 100})
        wait_for_answers(clients)
        endpoint.delete_deployment("blue")
        eventually(lambda: len(scoring(root)) == 1, 60, "only green is left")
        wait_for_answers(clients)
    for client in clients:
        assert client.failures == []
        assert set(client.answers) <= {2, 3, 4, 5, 6, 7}
    assert endpoint.run({"x": 1})["y"] == 6


def test_traffic_that_was_set_elsewhere_is_refused_where_it_does_not_fit(
    endpoint: Endpoint,
) -> None:
    other = Endpoint(endpoint.workspace, "scale")
    other.set_traffic({"green": 100})
    with pytest.raises(Conflict, match="green has 100 %"):
        endpoint.delete_deployment("green")
