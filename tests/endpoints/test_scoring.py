"""What an endpoint answers: with a key and good data, and with everything else."""

import json
import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.errors import InvalidInput, ScoringFailed
from tests.conftest import end_agents, end_work, eventually, of_workspace
from tests.endpoints.support import SCALE, Gate, request, scale_model, score, script

MIB = 1024**2


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("scoring") / "store"
    workspace = Workspace.create("lab", root)
    yield workspace
    end_work(workspace)
    eventually(lambda: not of_workspace(root))
    end_agents(root)


@pytest.fixture(scope="module")
def lines(place: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    """A scikit-learn model without a script: y = 2 a + 3 b."""
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[0, 0], [1, 0], [0, 1]], [0, 2, 3])
    path = tmp_path_factory.mktemp("model") / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    registered = Model.register(place, "lines", path)
    registered.trust()
    return registered.deploy("lines")


@pytest.fixture(scope="module")
def scripted(place: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    folder = tmp_path_factory.mktemp("model")
    text = SCALE.replace(
        "    return", '    if "give" in request: return eval(request["give"])\n    return'
    )
    model = scale_model(place, folder, 2)
    return Endpoint.deploy(place, "scripted", model, scoring_script=script(folder, text))


def test_a_scikit_learn_model_needs_no_script(lines: Endpoint) -> None:
    answer = score(lines, '{"data": [[1, 1], [10, 0]]}')
    assert answer.status == 200
    assert answer.json == pytest.approx([5, 20])
    assert answer.headers["x-ms-run-function-failed"] == "False"
    assert float(answer.headers["x-ms-run-fn-exec-ms"]) > 0
    assert len(answer.headers["x-request-id"]) >= 16
    for body in (
        {"input_data": [[1, 1]]},
        {"Inputs": [[1, 1]]},
        {"data": [{"a": 1, "b": 1}]},
        {"input_data": {"columns": ["a", "b"], "data": [[1, 1]]}},
        [[1, 1]],
    ):
        assert score(lines, json.dumps(body)).json == pytest.approx([5]), body
    assert lines.run({"data": [[1, 1]]}) == pytest.approx([5]), "through the workspace"


def test_a_script_scores_with_init_and_run(scripted: Endpoint) -> None:
    answer = score(scripted, '{"x": 21}', x_request_id="mine", x_ms_client_request_id="yours")
    assert answer.json["y"] == 42
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-ms-client-request-id"] == "yours"
    assert scripted.run({"x": 2})["y"] == 4
    eventually(lambda: "POST /score 200" in scripted.get_logs())


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {key}", "{key}", "Bearer {key}x"],
)
def test_without_a_key_nothing_is_scored(scripted: Endpoint, header: str | None) -> None:
    assert scripted.keys is not None
    headers = {"Content_Type": "application/json"}
    if header is not None:
        headers["Authorization"] = header.format(key=scripted.keys.primary)
    answer = request("POST", scripted.scoring_uri, '{"x": 1}', **headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "key" in answer.json["message"]


def test_both_keys_open_it(scripted: Endpoint) -> None:
    assert scripted.keys is not None
    for key in (scripted.keys.primary, scripted.keys.secondary):
        assert score(scripted, '{"x": 1}', key).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"", b"nothing", b"{", b'{"x": NaN}', b'{"x": -Infinity}', b'{"x": 1e999}',
        b'{"x": 1, "x": 2}', b'{"x": 1} 2', b'{"x": "\xff"}', b"[" * 100_000,
        b'{"x": "\\ud800"}', b'{"x": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_is_not_strictly_json_is_refused(scripted: Endpoint, body: bytes) -> None:
    answer = score(scripted, body)
    assert answer.status == 400
    assert answer.json["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{}", "no rows"),
        ('{"data": []}', "no rows"),
        ('{"data": 5}', "no rows"),
        ('{"data": [1, 2]}', "Row 0 is not a list"),
        ('{"data": [[1, 2], [3]]}', "Row 1 has 1 values; the model takes 2"),
        ('{"data": [{"a": 1, "b": 2}, {"a": 1}]}', "Row 1 has other columns"),
        ('{"data": [["red", "blue"]]}', "does not take these rows"),
        ('{"input_data": {"columns": 5, "data": [[1, 2]]}}', "not a list of names"),
        ('{"input_data": {"columns": [[1]], "data": [[1, 2]]}}', "not a list of names"),
        ('{"input_data": {"columns": ["a", "a"], "data": [[1, 2]]}}', "twice"),
    ],
)
def test_data_that_the_model_does_not_take_is_refused(
    lines: Endpoint, body: str, said: str
) -> None:
    answer = score(lines, body)
    assert answer.status == 400
    assert said in answer.json["message"]
    with pytest.raises(InvalidInput, match="refused the body") as refusal:
        lines.run(json.loads(body))
    assert refusal.value.field == "body"


def test_other_methods_paths_and_types_are_refused(scripted: Endpoint, lines: Endpoint) -> None:
    assert scripted.keys is not None
    key = f"Bearer {scripted.keys.primary}"
    for method in ("PUT", "DELETE", "PATCH"):
        answer = request(method, scripted.scoring_uri, "{}", Authorization=key)
        assert answer.status == 405, method
        assert answer.headers["Allow"] == "GET, POST, OPTIONS"
        assert answer.json["message"]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        assert score(lines, '{"data": [[1, 1]]}', Content_Type=kind).status == 415
        assert score(scripted, '{"x": 1}', Content_Type=kind).status == 200, "a script takes text"
    assert score(lines, '{"data": [[1, 1]]}', Content_Type="Application/JSON").status == 200
    root = scripted.scoring_uri.removesuffix("/score")
    for path in ("/nothing", "/score/", "/../etc/passwd", "/%2e%2e/x"):
        assert request("GET", root + path, Authorization=key).status == 404, path


def test_a_body_over_the_limit_is_refused_before_it_is_kept(scripted: Endpoint) -> None:
    answer = score(scripted, b" " * (64 * MIB + 1))
    assert answer.status == 413
    assert "64 MiB" in answer.json["message"]
    assert score(scripted, b'{"x": 1}' + b" " * MIB).status == 200


def test_a_body_that_does_not_say_its_size_is_limited_too(scripted: Endpoint) -> None:
    assert scripted.keys is not None
    with socket.create_connection(("127.0.0.1", scripted.info().port), timeout=60) as connection:
        connection.sendall(
            f"POST /score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {scripted.keys.primary}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(65):
            connection.sendall(f"{MIB:x}\r\n".encode() + b" " * MIB + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_get_takes_the_query_for_the_body(scripted: Endpoint, lines: Endpoint) -> None:
    assert scripted.keys is not None
    assert lines.keys is not None
    key = f"Bearer {scripted.keys.primary}"
    assert request("GET", scripted.scoring_uri + "?x=21", Authorization=key).json["y"] == 42
    failed = request("GET", scripted.scoring_uri + "?x=one", Authorization=key)
    assert failed.status == 500, "it was handed to the script, as text"
    rows = request(
        "GET", lines.scoring_uri + "?data=[[1,1]]", Authorization=f"Bearer {lines.keys.primary}"
    )
    assert rows.json == pytest.approx([5])
    assert request("GET", scripted.scoring_uri + "?x=1").status == 401


def test_a_script_that_raises_shows_its_traceback_to_the_deployer_alone(scripted: Endpoint) -> None:
    answer = score(scripted, '{"no": "x"}')
    assert answer.status == 500
    assert answer.headers["x-ms-run-function-failed"] == "True"
    assert "error occurred in scoring script" in answer.json["message"]
    assert "KeyError" not in answer.json["message"]
    with pytest.raises(ScoringFailed, match="KeyError: 'x'"):
        scripted.run({"no": "x"})
    assert "KeyError: 'x'" in scripted.get_logs()
    assert score(scripted, '{"x": 1}').status == 200, "it goes on"


@pytest.mark.parametrize("what", ["float('nan')", "{1}", "[object()]", "exit(3)"])
def test_an_answer_that_json_has_no_word_for_is_an_error(scripted: Endpoint, what: str) -> None:
    before = score(scripted, '{"x": 1}').json
    answer = score(scripted, json.dumps({"x": 1, "give": what}))
    assert (answer.status, answer.headers["x-ms-run-function-failed"]) == (500, "True")
    assert score(scripted, '{"x": 1}').json == before, "from the same process"


def test_health_and_documentation_need_no_key(lines: Endpoint, scripted: Endpoint) -> None:
    for endpoint in (lines, scripted):
        root = endpoint.scoring_uri.removesuffix("score")
        for path in ("", "healthz"):
            assert request("GET", root + path).content == b"Healthy"
        document = request("GET", endpoint.info().openapi_uri).json
        assert document["openapi"] == "3.1.0"
        assert document["info"]["title"] == endpoint.name
        older = request("GET", root + "swagger.json?version=3.1").json
        assert document == older
        answers = document["paths"]["/score"]["post"]["responses"]
        assert {"200", "400", "401", "413", "415", "500"} <= set(answers)
    schemas = request("GET", lines.info().openapi_uri).json["components"]["schemas"]
    assert schemas["ServiceInput"]["required"] == ["data"]


def test_health_answers_while_the_script_works(scripted: Endpoint, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    held = threading.Thread(target=score, args=(scripted, gate.body))
    held.start()
    gate.wait_until_begun()
    assert request("GET", scripted.scoring_uri.removesuffix("score")).status == 200
    assert held.is_alive(), "the script is still at work"
    gate.open()
    held.join()


def test_a_key_made_anew_stops_the_old_one_at_once(scripted: Endpoint) -> None:
    before = scripted.keys
    assert before is not None
    for _ in range(10):
        old = scripted.keys
        assert old is not None
        new = scripted.regen_key()
        assert score(scripted, '{"x": 1}', old.primary).status == 401
        assert score(scripted, '{"x": 1}', new).status == 200
    assert score(scripted, '{"x": 1}', before.secondary).status == 200
    with pytest.raises(Exception, match="key"):
        scripted.regen_key("tertiary")
