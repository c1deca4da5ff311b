"""Requests byte by byte: what a client may send, and in which order it is answered."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.endpoints.scoring import connection as connections
from ml_workspace_lab.endpoints.scoring.reader import MAX_HEAD
from ml_workspace_lab.endpoints.scoring.script import Script
from tests.endpoints.front import (
    LOOPS,
    Running,
    bodies,
    post,
    read_all,
    read_some,
    running,
    statuses,
)
from tests.waiting import eventually

gates: dict[str, threading.Event] = {}
asked: list[str] = []


def run(data: str) -> Any:
    """Says what it is sent, when the gate that is named in it is open."""
    asked.append(data)
    if data in gates:
        gates[data].wait(30)
    return len(data) if len(data) > 1000 else data


@pytest.fixture(params=list(LOOPS), scope="module")
def front(request: pytest.FixtureRequest) -> Iterator[Running]:
    settings = RequestSettings(max_body_bytes=100_000)
    with running(Script(run), settings, loop=request.param) as found:
        yield found


def test_requests_in_one_piece_are_answered_in_their_order(front: Running) -> None:
    gates["slow"] = threading.Event()
    sent = [post(b"slow"), *(post(f"{n}".encode()) for n in range(300)), b"GET / HTTP/1.1\r\n\r\n"]
    with front.connect() as connection:
        connection.sendall(b"".join(sent))
        assert front.exchange(b"GET / HTTP/1.1\r\n\r\n").endswith(b"Healthy"), "others go on"
        gates["slow"].set()
        answers = read_some(connection, b"Healthy")
    assert [one.decode() for one in bodies(answers)] == [
        '"slow"', *(f'"{n}"' for n in range(300)), "Healthy",
    ]  # fmt: skip


def test_a_request_may_come_byte_by_byte(front: Running) -> None:
    with front.connect() as connection:
        for byte in post(b"bit by bit", "X-Request-Id: mine"):
            connection.sendall(bytes([byte]))
        answer = read_some(connection, b'"bit by bit"')
    assert b"x-request-id: mine\r\n" in answer


def test_a_body_in_chunks_is_put_together(front: Running) -> None:
    chunks = b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
    asked = post(chunks, "Transfer-Encoding: chunked")
    assert bodies(front.exchange(asked + post(b"next"))) == [b'"hello world"', b'"next"']


def test_a_body_is_sent_once_the_server_wants_it(front: Running) -> None:
    head, _, body = post(b"at last", "Expect: 100-continue").partition(b"\r\n\r\n")
    with front.connect() as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert read_some(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read_some(connection, b'"at last"').startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(("key", "size", "status"), [("wrong", 4, 401), ("the key", 10**9, 413)])
def test_who_would_be_refused_is_told_before_the_body(
    front: Running, key: str, size: int, status: int
) -> None:
    lines = [
        "POST /score HTTP/1.1", f"Authorization: Bearer {key}", "Expect: 100-continue",
        f"Content-Length: {size}", "", "",
    ]  # fmt: skip
    with front.connect() as connection:
        connection.sendall("\r\n".join(lines).encode())
        answer = read_all(connection)
    assert statuses(answer) == [status]
    assert b"Connection: close\r\n" in answer


def test_a_body_that_is_too_long_is_thrown_away_and_the_next_request_is_answered(
    front: Running,
) -> None:
    chunked = b"%x\r\n%b\r\n" % (60_000, b"x" * 60_000) * 3 + b"0\r\n\r\n"
    asked = (
        post(b"x" * 150_000)
        + post(chunked, "Transfer-Encoding: chunked")
        + post(b"x" * 100_000)
        + post(b"y" * 100_000, key="wrong")
        + post(b"z")
    )
    answers = front.exchange(asked)
    assert statuses(answers) == [413, 413, 200, 401, 200]
    assert bodies(answers)[2] == b"100000"


def test_a_head_that_is_too_long_is_refused_with_the_last_answer(front: Running) -> None:
    long = f"X-Long: {'x' * MAX_HEAD}"
    for asked in (post(b"a") + post(b"a", long), b"GET / HTTP/1.1\r\n" + long.encode()):
        answers = front.exchange(asked)
        assert statuses(answers)[-1] == 431
        assert answers.count(b"Connection: close\r\n") == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nothing like it\r\n\r\n", 405),
        (b"GET / HTTP/3.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 405),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ],
)
def test_what_is_not_http_is_refused_after_the_answers_that_are_due(
    front: Running, sent: bytes, status: int
) -> None:
    answers = front.exchange(post(b"before") + sent + b"GET / HTTP/1.1\r\n\r\n")
    assert statuses(answers) == [200, status]
    assert b"Connection: close\r\n" in answers
    assert front.exchange(b"GET / HTTP/1.1\r\n\r\n").endswith(b"Healthy")


def test_a_client_that_sends_on_can_read_why_it_was_refused(front: Running) -> None:
    with front.connect() as connection:
        connection.sendall(b"BREW / HTTP/1.1\r\n\r\n")
        for _ in range(50):
            connection.sendall(b"x" * 10_000)
        assert statuses(read_all(connection)) == [405]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("HTTP/1.0\r\n", "Connection: close"),
        ("HTTP/1.0\r\nConnection: keep-alive\r\n", "Connection: keep-alive"),
        ("HTTP/1.1\r\nConnection: close\r\n", "Connection: close"),
        ("HTTP/1.1\r\n", None),
    ],
)
def test_a_connection_is_kept_as_the_client_asks(
    front: Running, lines: str, said: str | None
) -> None:
    with front.connect() as connection:
        connection.sendall(f"GET / {lines}\r\n".encode())
        answer = read_some(connection, b"Healthy").decode()
        assert (said in answer) if said else ("Connection" not in answer)
        if said == "Connection: close":
            assert connection.recv(1) == b""
        else:
            connection.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
            assert "Content-Length: 7\r\n" in read_some(connection, b"\r\n\r\n").decode()


@pytest.mark.parametrize(
    "body", [b"whole", b"5\r\nwhole\r\n0\r\n\r\n"], ids=["of a length", "in chunks"]
)
def test_an_offer_of_another_protocol_is_declined_and_its_body_read(
    front: Running, body: bytes
) -> None:
    """Java's client offers HTTP/2 with its first request."""
    offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAI"]
    if body.startswith(b"5"):
        offer.append("Transfer-Encoding: chunked")
    asked = post(body, *offer)
    plain = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    expected = [b'"whole"', b"Healthy", b'"next"']
    assert bodies(front.exchange(asked + plain + post(b"next"))) == expected
    with front.connect() as connection:
        for byte in asked:
            connection.sendall(bytes([byte]))
        read_some(connection, b'"whole"')


def test_who_has_gone_is_not_waited_for(front: Running) -> None:
    gates["gone"] = gates["worked on"] = threading.Event()
    site = front.front._site
    with front.connect() as held:
        held.sendall(post(b"worked on"))
        eventually(lambda: site.active == 1)
        connection = front.connect()
        connection.sendall(post(b"gone") + b"POST /score HTTP/1.1\r\nContent-Length: 5\r\n\r\nab")
        eventually(lambda: site.active == 3)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        eventually(lambda: len(site.connections) == 1)
        gates["gone"].set()
        read_some(held, b'"worked on"')
    eventually(lambda: site.active == 0)
    assert "gone" not in asked


def test_a_client_that_does_not_read_holds_nothing_up(front: Running) -> None:
    with front.connect() as lazy:
        lazy.setblocking(False)
        asked, sent = b"GET /openapi.json HTTP/1.1\r\n\r\n" * 1000, 0
        try:
            for _ in range(200):
                sent += lazy.send(asked)
        except BlockingIOError:
            pass
        assert sent < 200 * len(asked), "no more is read than is answered"
        assert bodies(front.exchange(post(b"other"))) == [b'"other"']


def test_who_stalls_is_closed_and_who_waits_is_not(
    front: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates["patient"] = threading.Event()
    site, loop = front.front._site, front.loop
    with front.connect() as head, front.connect() as body, front.connect() as patient:
        head.sendall(b"GET / HTTP/1.1\r\nX:")
        body.sendall(post(b"longer than this")[:-3])
        patient.sendall(post(b"patient"))
        eventually(lambda: len(site.connections) == 3 and site.active == 2)
        late = loop.time() + connections.STALL_SECONDS + 1
        loop.call_soon_threadsafe(site.sweep, late)
        assert [statuses(read_all(one)) for one in (head, body)] == [[408], [408]]
        gates["patient"].set()
        assert read_some(patient, b'"patient"')
        loop.call_soon_threadsafe(site.sweep, loop.time() + connections.IDLE_SECONDS + 1)
        assert patient.recv(1) == b""


@pytest.mark.parametrize("loop", list(LOOPS))
def test_a_front_that_leaves_answers_what_is_in_flight_with_the_word_that_it_is_the_last(
    loop: str,
) -> None:
    gates["in flight"] = threading.Event()
    with running(Script(run), loop=loop) as front:
        with front.connect() as busy, front.connect() as idle:
            busy.sendall(post(b"in flight") + post(b"behind it"))
            idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
            read_some(idle, b"Healthy")
            eventually(lambda: front.front._site.active == 2)
            front.loop.call_soon_threadsafe(front.front.stop)
            leaving = asyncio.run_coroutine_threadsafe(front.front.finish(True), front.loop)
            idle.sendall(post(b"one more"))
            gates["in flight"].set()
            answers = read_all(busy)
            assert bodies(answers) == [b'"in flight"', b'"behind it"']
            assert answers.count(b"Connection: close\r\n") == 1
            assert b"Connection: close\r\n" in read_all(idle)
            assert leaving.result(30) is True
        with pytest.raises(OSError, match="refused"):
            front.connect()


def test_headers_of_an_answer_can_not_be_split(front: Running) -> None:
    asked = post(b"a", "x-request-id: a", "X-Ms-Client-Request-Id: b\tc")
    head = front.exchange(asked).partition(b"\r\n\r\n")[0].decode()
    assert "x-ms-client-request-id: b\tc" in head.splitlines()
    assert json.loads(bodies(front.exchange(asked))[0]) == "a"


def test_health_answers_at_once_while_many_wait(front: Running) -> None:
    gates["many"] = threading.Event()
    waiting = [front.connect() for _ in range(50)]
    for one in waiting:
        one.sendall(post(b"many"))
    eventually(lambda: front.front._site.active == 50)
    assert front.exchange(b"GET / HTTP/1.1\r\n\r\n").endswith(b"Healthy")
    gates["many"].set()
    for one in waiting:
        read_some(one, b'"many"')
        one.close()
