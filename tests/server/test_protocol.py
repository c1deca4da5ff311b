"""A protocol's mount, tried with a tiny one in both servers."""

import http.client
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tornado.routing import PathMatches, Rule, RuleRouter
from tornado.web import RequestHandler

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.mlflow.wire import Request, Response, Route
from ml_workspace_lab.server.protocol import MethodNotAllowed, ProtocolHandler, Table
from ml_workspace_lab.server.routes import UndeclaredRoute, check
from tests.conftest import Server, end_agents, end_server, start_server
from tests.http import Answer, request
from tests.server.alone import Alone, new_workspace
from tests.server.conftest import client
from tests.server.tiny import BYTES, error_response

ECHO = "api/2.0/mlflow/echo"
WHOAMI = "api/2.0/mlflow/whoami"


@pytest.fixture(scope="module")
def in_jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Jupyter server with the tiny protocol."""
    folder = tmp_path_factory.mktemp("tiny")
    config = folder / "config.py"
    config.write_text("from tests.server import tiny\ntiny.install()\n")
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{Path(__file__).parents[2]}{os.pathsep}{before}"
    try:
        running = start_server(folder, new_workspace(folder), f"--config={config}")
    finally:
        os.environ["PYTHONPATH"] = before
    yield running
    end_server(running.process)
    end_agents(running.root)


class Mount:
    """One address of the protocol and a token for it."""

    def __init__(self, url: str, authorization: str) -> None:
        self.url, self.authorization = url, authorization

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        sent = {"Authorization": self.authorization} | headers
        return request(method, self.url + path, body, {k: v for k, v in sent.items() if v})


@pytest.fixture(params=["in Jupyter", "alone", "alone at the root"])
def mount(request: pytest.FixtureRequest) -> Mount:
    server: Server = request.getfixturevalue(
        "in_jupyter" if request.param == "in Jupyter" else "alone"
    )
    below = "" if request.param.endswith("root") else "ml-workspace-lab/mlflow/"
    return Mount(server.url + below, client(server, "*").authorization)


def test_a_call_gets_its_path_query_body_and_headers(mount: Mount) -> None:
    posted = mount("POST", f"{ECHO}?a=1&a=%C3%A9&b=", b"x" * 1000, **{"Content-Type": "x/y"})
    assert posted.json == {
        "path": {}, "query": {"a": ["1", "é"], "b": [""]}, "length": 1000, "kind": "x/y",
    }  # fmt: skip
    assert posted.headers["Content-Type"] == "application/json"
    got = mount("GET", "api/2.0/mlflow-artifacts/a%20b/%C3%A9%2F..%252e/c")
    assert got.json["path"] == {"path": "a b/é/..%2e/c"}
    assert mount("PUT", ECHO, b"x" * 5_000_000).json["length"] == 5_000_000


def test_it_acts_for_the_caller_with_the_callers_rights(
    in_jupyter: Server, alone: Alone, mount: Mount
) -> None:
    assert mount("GET", WHOAMI).json == {"name": "served"}
    for server, base in (
        (in_jupyter, f"{in_jupyter.url}ml-workspace-lab/mlflow/"),
        (alone, alone.url),
    ):
        little = Mount(base, client(server, "workspaces/read").authorization)
        assert little("GET", WHOAMI).status == 200
        refused = little("GET", "api/2.0/mlflow/audit")
        assert (refused.status, refused.json["error_code"]) == (404, "TINY_NOTFOUND")


def test_who_is_unknown_is_told_so_in_the_protocols_words(mount: Mount) -> None:
    for wrong in ("", "Bearer mlws_user_0_0_00000000", "Bearer nonsense", "Basic bm86bm8="):
        for method, path, body in [
            ("GET", WHOAMI, None),
            ("POST", ECHO, b"{}"),
            ("GET", "slow", None),
        ]:
            answer = mount(method, path, body, Authorization=wrong)
            assert answer.status == 401, (wrong, method)
            assert answer.json["error_code"] == "TINY_UNAUTHENTICATED"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json["id"] == answer.headers["X-Request-Id"]


def test_a_public_route_needs_no_token_and_gives_no_rights(mount: Mount) -> None:
    for authorization in ("", "Bearer nonsense"):
        answer = mount("GET", "health", Authorization=authorization)
        assert (answer.status, answer.content) == (200, b"OK")
        assert answer.headers["Content-Type"] == "text/plain"
        assert mount("GET", "public-whoami", Authorization=authorization).status == 404


def test_errors_are_the_protocols(mount: Mount) -> None:
    wrong = mount("GET", "refuse")
    assert (wrong.status, wrong.json["error_code"]) == (400, "TINY_INVALIDINPUT")
    inside = mount("GET", "fail")
    assert inside.status == 500
    assert "secret" not in inside.content.decode()
    for method, path, status in [
        ("GET", "no/such/path", 404), ("GET", "", 404), ("DELETE", ECHO, 405), ("PATCH", ECHO, 405),
        ("GET", "api/2.0/mlflow-artifacts/%ff", 400),
        ("GET", "api/2.0/mlflow-artifacts/a?q=%ff", 400),
        ("GET", "%2e%2e/%2e%2e/etc/passwd", 404), ("GET", f"{ECHO}/", 404),
    ]:  # fmt: skip
        answer = mount(method, path)
        assert answer.status == status, (method, path, answer)
        assert answer.json["error_code"].startswith("TINY_")


def test_a_body_has_its_routes_limit(mount: Mount) -> None:
    assert mount("POST", ECHO, b"x" * 1001).status == 413
    assert mount("PUT", ECHO, b"x" * 10_000_001).json["error_code"] == "TINY_TOOLARGE"
    assert mount("PUT", ECHO, b"x" * 10_000_000).status == 200


def test_a_refusal_is_seen_by_a_client_that_is_still_sending(mount: Mount) -> None:
    parts = urlsplit(mount.url)
    kept = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    for authorization, status in (("", 401), (mount.authorization, 200)):
        headers = {"Authorization": authorization} if authorization else {}
        kept.request("PUT", parts.path + ECHO, b"x" * 9_000_000, headers)
        answer = kept.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
    kept.close()


def test_requests_at_the_same_time_do_not_mix(mount: Mount) -> None:
    def ask(number: int) -> tuple[int, int]:
        method = "POST" if number % 2 else "PUT"
        return number, mount(method, f"{ECHO}?n={number}", b"x" * number).json["length"]

    with ThreadPoolExecutor(8) as threads:
        assert all(number == length for number, length in threads.map(ask, range(100)))


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [
        ("bytes=0-0", 0, 1), ("bytes=5-", 5, None), ("bytes=-7", -7, None),
        ("bytes=100-2000000000", 100, None), ("bytes=1048575-1048577", 1048575, 1048578),
        ("bytes=-99999999999", 0, None), ("Bytes=2-3", 2, 4),
    ],
)  # fmt: skip
def test_a_range_of_a_content_is_answered(
    mount: Mount, wanted: str, first: int, end: int | None
) -> None:
    answer = mount("GET", "get-artifact", Range=wanted)
    expected = BYTES[first:end]
    start = first % len(BYTES)
    assert (answer.status, answer.content == expected) == (206, True)
    last = start + len(expected) - 1
    assert answer.headers["Content-Range"] == f"bytes {start}-{last}/{len(BYTES)}"


def test_a_range_beyond_the_end_is_refused(mount: Mount) -> None:
    for wanted in (f"bytes={len(BYTES)}-", "bytes=999999999999-", "bytes=-0"):
        answer = mount("GET", "get-artifact", Range=wanted)
        assert answer.status == 416, wanted
        assert answer.headers["Content-Range"] == f"bytes */{len(BYTES)}"
        assert json.loads(answer.content)["error_code"].startswith("TINY_")
    assert mount("GET", "empty", Range="bytes=0-").status == 416


def test_a_range_that_is_none_gets_the_whole(mount: Mount) -> None:
    for wanted in ("bytes=-", "bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=x", "bytes=٣-٤",
                   f"bytes={'9' * 5000}-"):  # fmt: skip
        answer = mount("GET", "get-artifact", Range=wanted.encode().decode("latin-1"))
        assert (answer.status, answer.content == BYTES) == (200, True), wanted
    unsure = mount("GET", "get-artifact", **{"Range": "bytes=0-1", "If-Range": '"x"'})
    assert unsure.status == 200
    assert mount("GET", "empty").content == b""


def test_contents_are_never_rendered(mount: Mount) -> None:
    answer = mount("GET", "get-artifact")
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%20b.html"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_client_that_leaves_in_the_middle_harms_nobody(mount: Mount) -> None:
    parts = urlsplit(mount.url)
    for _ in range(5):
        leaving = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = {"Authorization": mount.authorization, "Content-Length": "9000000"}
        leaving.putrequest("PUT", parts.path + ECHO)
        for name, value in headers.items():
            leaving.putheader(name, value)
        leaving.endheaders(b"x" * 1000)
        leaving.close()
    assert mount("GET", WHOAMI).status == 200


def test_ranges_work_for_artifacts_of_the_api_too(alone: Alone) -> None:
    with alone.local.experiment("ranges").start_logging() as run:
        path = f"/runs/{run.id}/artifacts/file.bin"
        assert alone.ask("PUT", path, raw=BYTES).status == 200
        part = alone.ask("GET", path, headers={"Range": "bytes=10-19"})
        assert (part.status, part.content) == (206, BYTES[10:20])
        assert alone.ask("GET", path).content == BYTES
        assert alone.ask("GET", path, headers={"Range": f"bytes={len(BYTES)}-"}).status == 416


def _call(_: Request) -> Response:
    return Response()


def test_fixed_paths_come_before_patterns_and_these_in_their_order() -> None:
    first, second, fixed = (
        Route("GET", pattern, _call)
        for pattern in (r"/a/(?P<one>\w+)", r"/a/(?P<rest>.+)", r"/a/b\.c")
    )
    table = Table([second, fixed], error_response)
    assert table.find("GET", "/a/b.c") == (fixed, {})
    assert table.find("GET", "/a/bxc") == (second, {"rest": "bxc"})
    assert Table([first, second], error_response).find("GET", "/a/x") == (first, {"one": "x"})
    with pytest.raises(NotFound):
        table.find("GET", "/a/")
    with pytest.raises(MethodNotAllowed):
        table.find("POST", "/a/b.c")
    with pytest.raises(RuntimeError):
        Table([fixed, fixed], error_response)


def test_only_the_protocols_own_table_is_let_pass() -> None:
    other = type("Other", (ProtocolHandler,), {"table": Table([], error_response)})
    for target in (other, RequestHandler):
        rule = Rule(PathMatches("/ml-workspace-lab/mlflow/.*"), target)
        with pytest.raises(UndeclaredRoute):
            check(RuleRouter([rule]))
    with pytest.raises(UndeclaredRoute):
        check(RuleRouter([Rule(PathMatches("/metrics"), RequestHandler)]), below="")
