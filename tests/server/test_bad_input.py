"""Bad input on every route: a clear refusal, never a failure of the server."""

import http.client
from urllib.parse import urlsplit

import pytest

from ml_workspace_lab.api.openapi import all_operations
from ml_workspace_lab.api.operation import Operation
from tests.conftest import Server
from tests.http import Answer
from tests.server.http import PREFIX, Client

OPERATIONS = [
    pytest.param(operation, id=f"{service}.{operation.name}")
    for service, operation in all_operations()
    if not operation.streams_events
]
WITH_BODY = [p for p in OPERATIONS if p.values[0].body is not None]  # type: ignore[attr-defined]

HOSTILE = [
    "..", "%2e%2e", "%2E%2E%2F%2e%2e%2fetc%2fpasswd", "%00", "a%0ab", "%ff%fe", "x" * 10_000,
    "%F0%9F%98%80", "'%20OR%201=1--", "-1", "99999999999999999999", "%5C..%5C", "{x}", "%25s",
]  # fmt: skip

BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"name": "\xff"}',
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "an empty object": b"{}",
    "NaN": b'{"name": NaN}',
    "a duplicate key": b'{"name": "a", "name": "b"}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "an unknown field": b'{"nonsense": 1}',
    "too deep": b"[" * 5000 + b"]" * 5000,
    "a huge number": b'{"version": 1e999, "name": 123456789012345678901234567890}',
    "wrong types": b'{"name": {}, "state": 3, "model": [], "files": 7, "key": 1, "digests": "x"}',
}


def assert_refused(answer: Answer) -> None:
    assert 400 <= answer.status < 500, answer
    error = answer.json
    assert set(error) == {"error_code", "message", "field", "hint", "request_id"}
    assert len(error["message"]) > 5
    assert len(answer.content) < 20_000
    for secret in ("Traceback", "sqlite", "SELECT ", "/store"):
        assert secret not in answer.content.decode()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_hostile_names_in_the_path(ask: Client, operation: Operation) -> None:
    for name in operation.path_names:
        for value in HOSTILE:
            values = dict.fromkeys(operation.path_names, "0" * 32)
            answer = ask(operation.method, operation.path.format(**{**values, name: value}), {})
            assert answer.status < 500, (name, value, answer)
            if answer.status >= 400:
                assert_refused(answer)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_queries_that_no_operation_has(ask: Client, operation: Operation) -> None:
    values = dict.fromkeys(operation.path_names, "0" * 32)
    path = operation.path.format(**values)
    assert_refused(ask(operation.method, f"{path}?nonsense=1", {}))
    for name in operation.query_names:
        for value in ("%00", "-1", "x" * 5000, "NaN", "1e400", "%ff", "9" * 20):
            answer = ask(operation.method, f"{path}?{name}={value}", {})
            assert answer.status < 500, (name, value, answer)


@pytest.mark.parametrize("operation", WITH_BODY)
@pytest.mark.parametrize("kind", BODIES)
def test_bodies_that_are_not_what_is_declared(
    server: Server, ask: Client, operation: Operation, kind: str
) -> None:
    path = operation.path.format(**dict.fromkeys(operation.path_names, "0" * 32))
    answer = ask(operation.method, path, raw=BODIES[kind])
    # A body whose fields all have defaults may be empty; then the object is what is missing.
    assert answer.status < 500, answer
    if kind != "an empty object":
        assert_refused(answer)


def test_what_is_wrong_is_named(ask: Client) -> None:
    too_long = ask("POST", "/experiments", {"name": "x" * 10_000})
    assert (too_long.status, too_long.json["field"]) == (400, "name")
    missing = ask("POST", "/experiments", {})
    assert (missing.status, missing.json["field"]) == (400, "name")
    unknown = ask("POST", "/experiments", {"name": "a", "colour": "red"})
    assert unknown.json["field"] == "colour"
    kind = ask("POST", "/experiments", raw=b'{"name": "a"}', headers={"Content-Type": "text/plain"})
    assert (kind.status, kind.json["field"]) == (400, "Content-Type")


def test_a_body_over_the_limit_is_refused_while_it_comes(ask: Client) -> None:
    answer = ask("POST", "/experiments", raw=b" " * (4 * 1024 * 1024 + 2))
    assert (answer.status, answer.json["error_code"]) == (413, "TooLarge")
    assert ask("GET", "/experiments").status == 200


def test_methods_and_paths_that_do_not_exist(ask: Client) -> None:
    answer = ask("DELETE", "/experiments")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert_refused(answer)
    unknown = ask("GET", "/no-such-thing")
    assert unknown.status == 404
    assert_refused(unknown)


def test_a_refusal_leaves_the_connection_to_the_next_request(ask: Client) -> None:
    parts = urlsplit(ask.url)
    kept = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    kept.connect()
    kept.auto_open = 0  # so that a connection that has ended is not opened anew
    mine = {"Authorization": ask.authorization}
    refused = [
        ("/runs?limit=none", mine, 400),
        (f"/runs/{'0' * 32}", mine, 404),
        ("/no-such-thing", mine, 404),
        ("/runs", {}, 403),
        ("/openapi.json", mine, 200),
    ]
    for path, headers, status in refused * 10:
        kept.request("GET", f"{parts.path}{PREFIX}{path}", headers=headers)
        answer = kept.getresponse()
        assert answer.status == status, answer.read()
        answer.read()
    kept.close()


def test_uploads_are_handed_out_as_attachments(ask: Client, server: Server) -> None:
    run = server.local.experiment("uploads").start_logging()
    path = f"/runs/{run.id}/artifacts/page.html"
    stored = ask("PUT", path, raw=b"<script>alert(1)</script>")
    assert stored.status == 200
    got = ask("GET", path)
    assert got.content == b"<script>alert(1)</script>"
    assert got.headers["content-type"].startswith("application/octet-stream")
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    run.complete()
