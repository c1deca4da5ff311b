"""A worker that is killed: its clients are answered, or told to ask again, and none is cut off."""

import http.client
import json
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from ml_workspace_lab import Endpoint, Workspace
from tests.conftest import eventually
from tests.endpoints.support import SCALE, Gate, scale_endpoint, scale_model, score, scoring, script
from tests.endpoints.test_updates import asking, wait_for_answers
from tests.endpoints.test_workers import has, pids

LARGE = SCALE.replace('return {"y"', 'return {"pad": "x" * request.get("pad", 0), "y"')


class Line:
    """One connection that is kept, for as long as the server keeps it."""

    def __init__(self, endpoint: Endpoint) -> None:
        assert endpoint.keys is not None
        self.connection = http.client.HTTPConnection("127.0.0.1", endpoint.info().port, timeout=60)
        self.headers = {"Authorization": f"Bearer {endpoint.keys.primary}"}

    def send(self, body: str) -> None:
        self.connection.request("POST", "/score", body, self.headers)

    def read(self) -> tuple[int, dict[str, str], Any]:
        response = self.connection.getresponse()
        return response.status, dict(response.headers), json.loads(response.read())

    def ask(self, body: str = '{"x": 1}') -> tuple[int, dict[str, str], Any]:
        self.send(body)
        return self.read()

    def socket(self) -> socket.socket:
        assert self.connection.sock is not None
        return self.connection.sock

    def holders(self, root: Path) -> set[int]:
        """The processes that have its other end."""
        if self.connection.sock is None:
            return set()
        place = self.connection.sock.getsockname()
        found = set()
        for process in scoring(root):
            with suppress(psutil.Error):
                if any(one.raddr == place for one in process.net_connections("tcp")):
                    found.add(process.pid)
        return found


@pytest.fixture
def root(ws: Workspace) -> Path:
    return Path(ws.location)


def line_to(endpoint: Endpoint, pid: int) -> Line:
    """A connection that this process has, and on which it owes nothing: between an answer and the
    note of it, a kill is taken for one before the answer."""

    def found() -> Line | None:
        line = Line(endpoint)
        return line if line.ask()[2]["pid"] == pid else None

    line = eventually(found, what=f"{pid} takes a connection")
    assert line is not None
    eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_SLEEPING, what="it waits")
    return line


def is_clean(status: int, headers: dict[str, str], body: Any) -> bool:
    return status == 503 and int(headers["Retry-After"]) >= 1 and "gone" in body["message"]


def test_ten_kills_end_in_an_answer_or_a_clean_503(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1, workers=3)
    statuses: Counter[int] = Counter()

    def counted(status: int, headers: Any) -> float:
        statuses[status] += 1
        assert status == 200 or "Retry-After" in headers
        return 0

    def fresh() -> float:
        answer = score(endpoint, '{"x": 1}')
        return counted(answer.status, answer.headers)

    lines = [Line(endpoint) for _ in range(4)]

    def kept(line: Line) -> Callable[[], float]:
        return lambda: counted(*line.ask()[:2])

    with asking(fresh, fresh, *map(kept, lines)) as clients:
        for kills in range(1, 11):
            wait_for_answers(clients)
            eventually(
                lambda: all(len(line.holders(root)) == 2 for line in lines), 120, "all are held"
            )
            min(scoring(root), key=lambda process: process.create_time()).kill()
            eventually(lambda n=kills: endpoint.info().restarts == n)
            eventually(lambda: has(endpoint, 3, root), 120, "it is back")
        wait_for_answers(clients)
    assert [client.failures for client in clients] == [[]] * 6
    assert set(statuses) <= {200, 503}
    assert statuses[503] <= 10 * 6, "each client loses one request at most by a kill"
    assert statuses[200] > 500


def test_an_idle_connection_goes_on_with_another(ws: Workspace, root: Path, tmp_path: Path) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1, workers=2)
    first, second = sorted(pids(endpoint, 2))
    line = line_to(endpoint, first)
    end = line.socket().getsockname()
    eventually(lambda: line.holders(root) == {first, second}, what="both hold it")
    psutil.Process(first).kill()
    status, _, body = line.ask()
    assert (status, body["pid"]) == (200, second)
    assert line.socket().getsockname() == end, "it is the same connection"
    eventually(lambda: len(line.holders(root)) == 2, what="the one that came back holds it")
    psutil.Process(second).kill()
    status, _, body = line.ask()
    assert status == 200
    assert body["pid"] not in (first, second)
    assert line.socket().getsockname() == end


def test_who_holds_for_another_is_replaced_when_it_ends(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1, workers=3)
    found = pids(endpoint, 3)
    first = min(found)
    line = line_to(endpoint, first)
    eventually(lambda: len(line.holders(root)) == 2, what="it is held")
    (second,) = line.holders(root) - {first}
    (third,) = found - {first, second}
    end = line.socket().getsockname()
    psutil.Process(second).kill()
    eventually(lambda: line.holders(root) == {first, third}, what="the last one holds it")
    psutil.Process(first).kill()
    status, _, body = line.ask()
    assert (status, body["pid"]) == (200, third)
    assert line.socket().getsockname() == end


def test_who_waits_for_an_answer_is_told_to_ask_again(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1, workers=2)
    first, _ = sorted(pids(endpoint, 2))
    at_work, in_parts = line_to(endpoint, first), line_to(endpoint, first)
    half = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    in_parts.socket().sendall(half)
    gate = Gate(tmp_path)
    at_work.send(gate.body)
    gate.wait_until_begun()
    psutil.Process(first).kill()
    assert is_clean(*at_work.read())
    with closing(in_parts.socket()) as connection:
        connection.settimeout(30)
        told = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"Connection: close" in told
    assert at_work.ask()[0] == 200
    gate.open()


def test_what_was_sent_and_not_read_is_answered(ws: Workspace, root: Path, tmp_path: Path) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1, workers=2)
    first, second = sorted(pids(endpoint, 2))
    line = line_to(endpoint, first)
    process = psutil.Process(first)
    process.suspend()
    line.send('{"x": 7}')
    process.kill()
    status, _, body = line.read()
    assert (status, body) == (200, {"y": 7, "pid": second})


def test_an_answer_that_is_sent_in_parts_is_not_followed_by_another(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    model = scale_model(ws, tmp_path, 1)
    path = script(tmp_path, LARGE)
    endpoint = Endpoint.deploy(ws, "scale", model, scoring_script=path, workers=2)
    first, _ = sorted(pids(endpoint, 2))
    line = line_to(endpoint, first)
    line.send('{"x": 1, "pad": 50000000}')
    response = line.connection.getresponse()
    assert response.read(1000)
    psutil.Process(first).kill()
    with pytest.raises((http.client.IncompleteRead, OSError)):
        response.read()
    line.connection.close()
    assert line.ask()[0] == 200
    status, _, body = line.ask('{"x": 1, "pad": 5000000}')
    assert (status, len(body["pad"])) == (200, 5_000_000), "a whole one of several parts"
    assert line.ask()[0] == 200


def test_a_client_that_goes_is_forgotten_by_both(ws: Workspace, root: Path, tmp_path: Path) -> None:
    endpoint = scale_endpoint(ws, tmp_path, 1, workers=2)
    lines = [Line(endpoint) for _ in range(20)]
    for line in lines:
        assert line.ask()[0] == 200
    eventually(lambda: all(len(line.holders(root)) == 2 for line in lines), 120, "all are held")
    places = {line.socket().getsockname() for line in lines}
    for line in lines:
        line.connection.close()

    def are_forgotten() -> bool:
        found = [one.raddr for p in scoring(root) for one in p.net_connections("tcp")]
        return not places.intersection(found)

    eventually(are_forgotten)
