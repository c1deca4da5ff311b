"""Who comes into a server of our own: tokens, names, pages of other servers."""

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.access.model import CreateToken
from ml_workspace_lab.api.openapi import all_operations
from ml_workspace_lab.api.operation import Operation
from ml_workspace_lab.errors import Denied, InvalidInput
from ml_workspace_lab.server.alone import LOOPBACK, entry
from ml_workspace_lab.server.credentials import presented
from tests.http import request
from tests.server.alone import Alone, new_workspace, served
from tests.server.conftest import client
from tests.server.http import Client
from tests.server.test_permissions import url

OPERATIONS = [
    pytest.param(operation, id=f"{service}.{operation.name}")
    for service, operation in all_operations()
]
GIVEN = "a-given-token-of-the-test"
WHOAMI = "/api/2.0/mlflow/whoami"
WORKSPACE = "/ml-workspace-lab/api/v1/workspace"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    root = new_workspace(tmp_path_factory.mktemp("given"))
    with served(root, "--token", GIVEN, "--allow-host", "Lab.Example") as server:
        yield server


@pytest.fixture(scope="module")
def unlocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    with served(new_workspace(tmp_path_factory.mktemp("unlocked")), "--no-token") as server:
        yield server


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_a_token_nothing_is_answered(alone: Alone, operation: Operation) -> None:
    for authorization in ("", "Bearer mlws_user_0_0_00000000", "Bearer x", basic("u", "x")):
        answer = Client(alone.url, authorization)(operation.method, url(operation), {})
        assert (answer.status, answer.json["error_code"]) == (401, "Unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert set(answer.json) == {"error_code", "message", "field", "hint", "request_id"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_right_that_a_token_lacks_is_refused(alone: Alone, operation: Operation) -> None:
    area = operation.action.rpartition("/")[0]
    answer = client(alone, "nothing/read")(operation.method, url(operation), {})
    assert (answer.status, answer.json["error_code"]) == (404, "NotFound")
    if not operation.action.endswith("/read"):
        answer = client(alone, f"{area}/read")(operation.method, url(operation), {})
        assert (answer.status, answer.json["error_code"]) == (403, "Denied")


def test_bearer_and_basic_bring_the_same_token(given: Alone) -> None:
    own = given.local.connection.tokens.create(CreateToken("own")).token
    for token in (GIVEN, own):
        for header in (
            f"Bearer {token}",
            f"bearer  {token}",
            basic("", token),
            basic("a b", token),
        ):
            for path in (WORKSPACE, WHOAMI, f"/ml-workspace-lab/mlflow{WHOAMI}"):
                assert given.get(path, Authorization=header).status == 200, (header, path)
    for wrong in (
        "Bearer",
        f"Basic {GIVEN}",
        f"Token {GIVEN}",
        basic(GIVEN, ""),
        f"Bearer {GIVEN}x",
    ):
        for path in (WORKSPACE, WHOAMI):
            assert given.get(path, Authorization=wrong).status == 401, (wrong, path)
    assert given.local.connection.tokens.list().items[0].name == "own"


def test_no_answer_sets_a_cookie_or_lets_another_page_read_it(alone: Alone) -> None:
    for path in (WORKSPACE, WHOAMI, "/nothing"):
        answer = alone.get(path, Origin="http://elsewhere.example", Cookie="username=x")
        assert "Set-Cookie" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_revoked_token_stops_at_once(alone: Alone) -> None:
    created = alone.ask("POST", "/tokens", {"name": "short"}).json
    token = f"Bearer {created['token']}"
    assert alone.get(WHOAMI, Authorization=token).status == 200
    assert alone.get(WORKSPACE, Authorization=token).status == 200
    assert alone.ask("DELETE", f"/tokens/{created['info']['token_id']}").status == 200
    assert alone.get(WHOAMI, Authorization=token).status == 401
    assert alone.get(WORKSPACE, Authorization=token).status == 401


def test_only_names_of_the_server_are_answered_to(given: Alone, unlocked: Alone) -> None:
    for server, names in ((given, [*LOOPBACK, "lab.example", "LAB.example"]), (unlocked, LOOPBACK)):
        for name in names:
            for host in (name, f"{name}:80", f"{name}:{urlsplit(server.url).port}"):
                assert server.get(WORKSPACE, Host=host).status == 200, host
        for host in ("evil.example", "127.0.0.1.evil.example:80", "localhost@evil", "127.0.0.2",
                     "localhost:80:80", "0.0.0.0", "localhost, evil.example", "[::2]"):  # fmt: skip
            for path in (WORKSPACE, WHOAMI, "/health", "/nothing"):
                answer = server.get(path, Host=host)
                assert 400 <= answer.status < 404, (host, path, answer)


def test_without_tokens_everyone_here_is_the_local_user(unlocked: Alone) -> None:
    assert unlocked.said["token"] is None
    made = Client(unlocked.url)("POST", "/experiments", {"name": "made"})
    assert made.status == 200
    remote = Workspace.connect(unlocked.url, "anything")
    assert remote.experiments.keys() == {"made"}
    remote.close()
    assert unlocked.get(WHOAMI, Authorization=basic("u", "wrong")).status == 200
    entries = unlocked.local.connection.audit.list().items
    assert {entry.principal for entry in entries} == {made_by(unlocked)}


def made_by(server: Alone) -> str:
    """The local user, by the name that the folder's own connection has."""
    server.local.experiment("local")
    return server.local.connection.audit.list(limit=1).items[0].principal


def test_without_tokens_pages_of_other_servers_are_refused(unlocked: Alone) -> None:
    host = urlsplit(unlocked.url).netloc
    for path in (WORKSPACE, WHOAMI):
        assert unlocked.get(path, Origin=f"http://{host}").status == 200
        for origin in ("http://evil.example", "null", "", "http://localhost:1", f"{host}", "http://[",
                       f"http://{host}.evil.example", "file://"):  # fmt: skip
            answer = unlocked.get(path, Origin=origin)
            assert answer.status == 403, (path, origin)
    answer = Client(unlocked.url)(
        "POST", "/experiments", {"name": "forged"}, headers={"Origin": "http://evil.example"}
    )
    assert (answer.status, answer.json["field"]) == (403, "Origin")


def test_headers_that_are_too_large_are_refused(alone: Alone) -> None:
    for path in (WORKSPACE, WHOAMI, "/health"):
        assert alone.get(path, X_Large="x" * 400_000).status in (200, 404)
        answer = alone.get(path, X_Large="x" * 600_000)
        assert (answer.status, "512 KiB" in answer.json["message"]) == (431, True)
    assert alone.get(f"{WORKSPACE}?{'x' * 600_000}").status == 431
    many = {f"X-{number}": "x" * 1000 for number in range(600)}
    assert request("GET", f"{alone.url}health", None, many).status == 431


def test_what_is_no_http_ends_the_connection_and_nothing_else(alone: Alone) -> None:
    parts = urlsplit(alone.url)
    for sent in (
        b"\0" * 100 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"x" * 2_000_000,
    ):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as peer:
            try:
                peer.sendall(sent)
                answer = peer.recv(1000)
            except ConnectionError:
                answer = b""
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert alone.get(WORKSPACE).status == 200


def test_a_client_connects_as_to_jupyter(alone: Alone) -> None:
    workspace = Workspace.connect(alone.url.rstrip("/"), alone.token)
    with workspace.experiment("remote").start_logging() as run:
        run.log("loss", 0.5, step=1)
        run.log_params({"a": 1})
    assert Workspace.open(alone.root).run(run.id).get_metrics() == {"loss": 0.5}
    assert [found.id for found in workspace.runs("remote")] == [run.id]
    workspace.close()
    with pytest.raises(Denied):
        Workspace.connect(alone.url, "wrong")


def test_the_workspace_can_not_be_exchanged_for_another(alone: Alone, tmp_path: Path) -> None:
    answer = alone.ask("POST", "/workspace", {"name": "another"})
    assert (answer.status, answer.json["error_code"]) == (409, "Conflict")
    assert alone.ask("GET", "/workspace").json["name"] == "served"


def test_the_rules_name_what_is_wrong() -> None:
    assert entry("::1", ["Lab"], None, is_open=False).hosts == LOOPBACK | {"lab"}
    assert entry("0.0.0.0", [], "x" * 16, is_open=False).hosts == LOOPBACK | {"0.0.0.0"}
    with pytest.raises(InvalidInput) as refused:
        entry("10.0.0.1", [], None, is_open=True)
    assert "10.0.0.1" in str(refused.value)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("", None), ("Bearer", None), ("Bearer  ", None), ("Bearer a", "a"), ("BEARER a", "a"),
        ("Basic", None), ("Basic !", None), ("Basic /w==", None), ("Basic YQ==", None),
        ("Basic YTo=", None), ("Basic YTpi", "b"), ("basic YTpiOmM=", "b:c"), ("Digest a", None),
        ("token a", None), ("Basic é", None),
    ],
)  # fmt: skip
def test_a_token_is_read_from_two_kinds_of_header(header: str, token: str | None) -> None:
    assert presented(header) == token
