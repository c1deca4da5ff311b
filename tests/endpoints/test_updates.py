"""A new version takes over without a pause; one that does not start changes nothing."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.endpoints.model import EndpointState
from ml_workspace_lab.errors import NotFound, Unavailable
from tests.conftest import eventually
from tests.endpoints.support import Gate, scale_endpoint, scale_model, score, scoring, script


class Client(threading.Thread):
    """Somebody who asks again and again, and keeps what went wrong."""

    def __init__(self, ask: Callable[[], float]) -> None:
        super().__init__(daemon=True)
        self.ask = ask
        self.answers: list[float] = []
        self.failures: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self.answers.append(self.ask())
            except Exception as error:  # noqa: BLE001 - each is a failure of the endpoint
                self.failures.append(repr(error))


def wait_for_answers(clients: list[Client]) -> None:
    """Until each of them has been answered some more."""
    before = [len(client.answers) for client in clients]
    for client, count in zip(clients, before, strict=True):
        eventually(lambda client=client, count=count: len(client.answers) > count + 2)


def fresh(endpoint: Endpoint, body: str = '{"x": 1}') -> Callable[[], float]:
    """Ask on a new connection each time."""

    def ask() -> float:
        answer = score(endpoint, body)
        assert answer.status == 200, answer
        return float(answer.json["y"])

    return ask


def kept(endpoint: Endpoint) -> Callable[[], float]:
    """Ask on one connection for as long as the server keeps it, as clients with a pool do."""
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.info().port, timeout=30)
    assert endpoint.keys is not None
    headers = {"Authorization": f"Bearer {endpoint.keys.primary}"}

    def ask() -> float:
        connection.request("POST", "/score", '{"x": 1}', headers)
        response = connection.getresponse()
        assert response.status == 200
        return float(json.loads(response.read())["y"])

    return ask


@contextmanager
def asking(*asks: Callable[[], float]) -> Iterator[list[Client]]:
    clients = [Client(ask) for ask in asks]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.stop.set()
        for client in clients:
            client.join(30)


def test_an_update_lets_no_request_fail(ws: Workspace, tmp_path: Path) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1)
    address, port = endpoint.scoring_uri, endpoint.info().port
    quick = [fresh(endpoint) for _ in range(3)]
    with asking(*quick, kept(endpoint)) as clients:
        for factor in (2, 3, 4):
            wait_for_answers(clients)
            updated = scale_model(ws, tmp_path, factor).deploy(
                "scale", scoring_script=tmp_path / "score.py"
            )
            assert updated.keys is None, "those it had go on"
            after = [score(endpoint, '{"x": 1}').json["y"] for _ in range(20)]
            assert after == [factor] * 20, "the old one takes no more"
            eventually(lambda: len(scoring(Path(ws.location))) == 1, what="the old one leaves")
        wait_for_answers(clients)
    for client in clients:
        assert client.failures == []
        assert set(client.answers) == {1, 2, 3, 4}
    info = endpoint.info()
    assert (endpoint.scoring_uri, info.port, info.model_version) == (address, port, 4)


def test_an_update_waits_for_the_request_that_is_being_answered(
    ws: Workspace, tmp_path: Path
) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1)
    gate = Gate(tmp_path)
    with asking(fresh(endpoint, gate.body)) as (client,):
        gate.wait_until_begun()
        client.stop.set()
        scale_model(ws, tmp_path, 2).deploy("scale", scoring_script=tmp_path / "score.py")
        assert score(endpoint, '{"x": 1}').json["y"] == 2
        assert client.answers == [], "the new one answers while the old one is at work"
        gate.open()
        client.join(30)
    assert (client.answers, client.failures) == ([1], [])
    eventually(lambda: len(scoring(Path(ws.location))) == 1)


def test_a_failed_update_keeps_what_there_was(ws: Workspace, tmp_path: Path) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1)
    model = scale_model(ws, tmp_path, 2)
    broken = script(tmp_path, "def init(): raise ValueError('no luck')\ndef run(data): pass")
    with asking(fresh(endpoint)) as (client,), pytest.raises(Unavailable) as failure:
        model.deploy("scale", scoring_script=broken)
    assert "ValueError: no luck" in str(failure.value)
    assert "deployment before it still serves" in str(failure.value)
    assert endpoint.info().state is EndpointState.FAILED
    assert client.failures == []
    assert set(client.answers) == {1}
    model.deploy("scale", scoring_script=script(tmp_path))
    assert score(endpoint, '{"x": 1}').json["y"] == 2
    eventually(lambda: len(scoring(Path(ws.location))) == 1)


def test_the_deployment_that_a_failed_update_left_is_looked_after(
    ws: Workspace, tmp_path: Path
) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1)
    model = scale_model(ws, tmp_path, 2)
    broken = script(tmp_path, "exit(1)")
    with pytest.raises(Unavailable):
        model.deploy("scale", scoring_script=broken)
    psutil.Process(score(endpoint, '{"x": 1}').json["pid"]).kill()

    def answer() -> object:
        try:
            return score(endpoint, '{"x": 1}').json["y"]
        except OSError:
            return None

    assert eventually(answer) == 1


def test_an_update_to_what_is_not_there_is_refused(ws: Workspace, tmp_path: Path) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1)
    before = endpoint.info()
    with pytest.raises(NotFound) as refusal:
        Endpoint.deploy(ws, "scale", _Named("nothing", 1))  # type: ignore[arg-type]
    assert refusal.value.field == "model"
    with pytest.raises(NotFound, match="no version 9"):
        Endpoint.deploy(ws, "scale", _Named("scale", 9))  # type: ignore[arg-type]
    assert endpoint.info() == before


class _Named:
    def __init__(self, name: str, version: int) -> None:
        self.name, self.version = name, version
