"""Azure Machine Learning's contract of an endpoint, case by case, against the real process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.endpoints.process import OWN_KEY, Process, scoring

# As in Azure's first samples: a text comes in, JSON goes out.
TEXT = """
import json
import os
import threading
import logging

def init():
    global factor
    path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "factor.txt")
    with open(path) as file:
        factor = float(file.read())
    logging.info("Init complete")

def run(raw_data):
    if raw_data.startswith("csv:"):
        return [float(value) * factor for value in raw_data[4:].split(",")]
    request = json.loads(raw_data)
    if "stuck" in request:
        threading.Event().wait()
    if "spin" in request:
        while True:
            pass
    if "variable" in request:
        return os.environ.get(request["variable"])
    if "nothing" in request:
        return None
    if "body" in request:
        return request
    return {"result": [value * factor for value in request["data"]]}
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    variables = {"SCORING_TIMEOUT_MS": "1000", "AML_CORS_ORIGINS": "https://a.example, null"}
    folder = tmp_path_factory.mktemp("text") / "an-endpoint"
    with scoring(folder, {"factor.txt": b"2"}, TEXT, **variables) as process:
        yield process


CASES: list[tuple[str, str, str | bytes | None, dict[str, str], int, Any]] = [
    # method, path, body, headers, status, what the answer is (JSON), or (text) what is in it
    ("GET", "/", None, {}, 200, "Healthy"),
    ("HEAD", "/", None, {}, 200, ""),
    ("POST", "/", "", {}, 405, {"message": "Method Not Allowed"}),
    ("POST", "/score", '{"data": [1, 2]}', {}, 200, {"result": [2, 4]}),
    ("POST", "/score", '{"data": []}', {"Content-Type": "application/json"}, 200, {"result": []}),
    ("POST", "/score", "csv:1,2", {"Content-Type": "text/csv"}, 200, [2, 4]),
    ("POST", "/score", "csv:3", {}, 200, [6]),
    ("POST", "/score", '{"nothing": 1}', {}, 200, {}),
    ("GET", "/score?data=[1,2]", None, {}, 200, {"result": [2, 4]}),
    ("GET", "/score?data=1&data=2", None, {}, 200, {"result": [2, 4]}),
    (
        "GET", "/score?body=x&a=1&b=[1,2]&c=null&d=NaN&e=%C3%A9&f=", None, {}, 200,
        {"body": "x", "a": 1, "b": [1, 2], "c": None, "d": "NaN", "e": "é", "f": ""},
    ),
    ("OPTIONS", "/score", None, {}, 200, ""),
    ("PUT", "/score", "{}", {}, 405, {"message": "Method Not Allowed"}),
    ("BREW", "/score", "{}", {}, 405, {"message": "Method Not Allowed"}),
    ("HEAD", "/score", None, {}, 405, ""),
    ("POST", "/score", b"\xff", {"Content-Type": "text/plain"}, 400, "UTF-8"),
    ("POST", "/score", "{", {"Content-Type": "application/json"}, 400, "not JSON"),
    ("POST", "/score", '{"data": NaN}', {"Content-Type": "application/json"}, 400, "NaN"),
    ("POST", "/score", "{}", {}, 500, "An unexpected error occurred in scoring script."),
    ("POST", "/score", '{"stuck": 1}', {}, 500, {"message": "Scoring timeout after 1000 ms"}),
    ("GET", "/nothing", None, {}, 404, {"message": "Not found"}),
    ("GET", "/score?x=" + "1" * 8192, None, {}, 414, "8192"),
    ("GET", "/", None, {"x-request-id": "i" * 101}, 431, "x-request-id must not exceed 100"),
    ("GET", "/", None, {"x-ms-client-request-id": "i" * 101}, 431, "100 characters"),
    ("GET", "/", None, {"x-ms-request-id": "i" * 101}, 431, "100 characters"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "said"), CASES)
def test_it_answers_as_azure_does(
    text: Process,
    method: str,
    path: str,
    body: str | bytes | None,
    headers: dict[str, str],
    status: int,
    said: Any,
) -> None:
    answer = text.ask(method, path, body, headers)
    assert answer.status == status, answer
    if isinstance(said, str):
        assert said in answer.content.decode()
    else:
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json == said
    if path.startswith("/score"):
        failed = answer.headers["x-ms-run-function-failed"]
        assert failed == str(status == 500)
        assert ("x-ms-run-fn-exec-ms" in answer.headers) == (status == 200 and method != "OPTIONS")
    assert "ml-workspace-lab/" in answer.headers["x-ms-server-version"]


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        ({"x-request-id": "a"}, {"x-request-id": "a", "x-ms-request-id": "a"}),
        (
            {"x-ms-client-request-id": "b"},
            {"x-ms-client-request-id": "b", "x-ms-request-id": "b"},
        ),
        (
            {"x-ms-request-id": "c"},
            {"x-ms-client-request-id": "c", "x-ms-request-id": "c"},
        ),
        (
            {"x-request-id": "d", "x-ms-client-request-id": "e", "x-ms-request-id": "f"},
            {"x-request-id": "d", "x-ms-client-request-id": "e", "x-ms-request-id": "f"},
        ),
        ({"TraceId": "g"}, {"TraceId": "g"}),
    ],
)
def test_requests_keep_their_names(
    text: Process, sent: dict[str, str], back: dict[str, str]
) -> None:
    found = text.ask("GET", "/", headers=sent).headers
    assert {name: found[name] for name in back} == back
    assert len(found["x-request-id"]) == (1 if "x-request-id" in sent else 36)
    assert ("x-ms-client-request-id" in found) == ("x-ms-client-request-id" in back)


def test_a_browser_is_let_in_from_where_the_deployment_says(text: Process) -> None:
    asks = {"Origin": "https://a.example", "Access-Control-Request-Headers": "authorization"}
    allowed = text.ask("OPTIONS", "/score", headers=asks, key=None).headers
    assert allowed["Access-Control-Allow-Origin"] == "https://a.example"
    assert allowed["Access-Control-Allow-Headers"] == "authorization"
    assert allowed["Access-Control-Allow-Methods"] == "GET, POST"
    answer = text.ask("POST", "/score", '{"data": [1]}', asks)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    other = text.ask("OPTIONS", "/score", headers={"Origin": "https://b.example"}, key=None)
    assert "Access-Control-Allow-Origin" not in other.headers
    assert text.ask("POST", "/score", "{}", key=None).status == 401


def test_what_takes_too_long_is_ended_and_the_next_is_answered(text: Process) -> None:
    answer = text.post('{"spin": 1}')
    assert (answer.status, answer.json["message"]) == (500, "Scoring timeout after 1000 ms")
    assert text.post('{"data": [1]}').json == {"result": [2]}


def test_the_script_finds_its_variables(text: Process) -> None:
    found = {
        name: text.post(json.dumps({"variable": name})).json
        for name in ("AML_APP_ROOT", "AZUREML_ENTRY_SCRIPT", "AZUREML_MODEL_DIR", "SERVICE_NAME")
    }
    assert found == {
        "AML_APP_ROOT": str(text.model.parent),
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": str(text.model),
        "SERVICE_NAME": "an-endpoint",
    }


def test_the_documents_come_in_each_version(text: Process) -> None:
    for version, key, value in [
        ("", "swagger", "2.0"), ("?version=2", "swagger", "2.0"),
        ("?version=2.0", "swagger", "2.0"),
        ("?version=3", "openapi", "3.0.3"), ("?version=3.0", "openapi", "3.0.3"),
        ("?version=3.1", "openapi", "3.1.0"),
    ]:  # fmt: skip
        answer = text.ask("GET", "/swagger.json" + version, key=None)
        assert answer.json[key] == value, version
        assert {"/", "/score"} == set(answer.json["paths"])
    refused = text.ask("GET", "/swagger.json?version=4", key=None)
    assert refused.status == 404
    assert "2, 3, 3.1" in refused.json["message"]


# As in Azure's samples with schemas.
TYPED = """
import numpy as np
import pandas as pd
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

def init():
    pass

@input_schema("data", PandasParameterType(pd.DataFrame({"a": [1.0], "b": [2.0]})))
@input_schema("weights", NumpyParameterType(np.array([0.5, 2.0])))
@input_schema("method", StandardPythonParameterType("sum"))
@output_schema(NumpyParameterType(np.array([1.0])))
def run(data, weights, method="sum", request_headers=None):
    result = (data[["a", "b"]].to_numpy() * weights).sum(axis=1).tolist()
    return {"method": method, "result": result, "agent": request_headers["User-Agent"]}
"""


def test_a_script_typed_by_a_schema_gets_what_the_schema_says(tmp_path: Path) -> None:
    with scoring(tmp_path / "typed", {"m": b""}, TYPED) as typed:
        body = {"data": [{"a": 2.0, "b": 3.0}], "weights": [0.5, 2.0]}
        answer = typed.post(json.dumps(body), User_Agent="me")
        assert answer.json == {"method": "sum", "result": [7.0], "agent": "me"}
        asked = '/score?data=[{"a":2,"b":3}]&weights=[1,1]&method=mean'.replace('"', "%22")
        by_query = typed.ask("GET", asked, headers={"User-Agent": "me"})
        assert by_query.json == {"method": "mean", "result": [5.0], "agent": "me"}
        for body_, kind, status, said in [
            ('{"data": []}', "application/json", 400, "no value for 'weights'"),
            ("[]", "application/json", 400, "not a JSON object"),
            ("", "application/json", 400, "not JSON"),
            ("{}", "text/plain", 415, "application/json"),
            ('{"data": 5, "weights": []}', "application/json", 500, "scoring script"),
        ]:
            refused = typed.post(body_, Content_Type=kind)
            assert refused.status == status
            assert said in refused.json["message"]
        document = typed.ask("GET", "/swagger.json").json["definitions"]
        given = document["ServiceInput"]["properties"]
        assert given["data"]["items"]["properties"]["a"]["type"] == "number"
        assert document["ServiceOutput"]["type"] == "array"


# As in Azure's samples of raw HTTP, with either name of the package.
RAW = """
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init():
    print("This is init()")

@rawhttp
def run(request):
    if request.method == "GET":
        respBody = str.encode(request.full_path)
        return AMLResponse(respBody, 200)
    elif request.method == "POST":
        if request.files:
            return {"size": len(request.files["image"].read())}
        if request.args.get("as") == "json":
            return AMLResponse({"given": request.get_json()}, 201, json_str=True)
        if request.args.get("as") == "plain":
            return [1, 2]
        reqBody = request.get_data(False)
        headers = {"Content-Type": "image/png", "X-Own": request.headers["X-Given"]}
        return AMLResponse(reqBody[::-1], 200, headers)
    return AMLResponse("bad request", 500)
"""


@pytest.mark.parametrize(
    "package", ["azureml.contrib.services", "azureml_inference_server_http.api"]
)
def test_a_script_of_raw_http_reads_and_answers_as_it_likes(tmp_path: Path, package: str) -> None:
    text = RAW.replace("azureml.contrib.services", package)
    if package.endswith("api"):
        text = text.replace('"bad request", 500', '"teapot", 503').replace(
            'request.method == "POST"', 'request.method == "POST" and request.data != b"!"'
        )
    with scoring(tmp_path / "raw", {"m": b""}, text) as raw:
        assert raw.ask("GET", "/score?a=b").content == b"/score?a=b"
        answer = raw.ask("POST", "/score", b"\xff\x00ab", {"X-Given": "x, y"})
        assert (answer.status, answer.content) == (200, b"ba\x00\xff")
        assert (answer.headers["Content-Type"], answer.headers["X-Own"]) == ("image/png", "x, y")
        assert answer.headers["x-ms-run-function-failed"] == "False"
        created = raw.post('{"a": 1}', "/score?as=json")
        assert (created.status, created.json) == (201, {"given": {"a": 1}})
        assert raw.post("{}", "/score?as=plain").json == [1, 2]
        form = (
            b"--x\r\nContent-Disposition: form-data; name=image; filename=a.png\r\n\r\n"
            b"12345\r\n--x--\r\n"
        )
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert raw.ask("POST", "/score", form, kind).json == {"size": 5}
        assert raw.post("{", "/score?as=json").status == 500, "werkzeug's own refusal was raised"
        if package.endswith("api"):
            failed = raw.ask("POST", "/score", b"!")
            assert (failed.status, failed.content) == (503, b"teapot")
            assert failed.headers["x-ms-run-function-failed"] == "True"
        assert raw.ask("OPTIONS", "/score", key=None).status == 200


# As in samples of the first version of Azure's SDK, for one model and for several.
PATHS = """
import json
from azureml.core.model import Model

def init():
    global paths
    paths = {name: Model.get_model_path(name) for name in ("first.txt", "second", "a model")}
    paths["versioned"] = Model.get_model_path(model_name="second", version=2)
    try:
        Model.get_model_path("third")
    except Exception as error:
        paths["third"] = str(error)

def run(data):
    return paths
"""


def test_a_script_asks_where_its_models_are(tmp_path: Path) -> None:
    files = {"first.txt": b"1", "second/2/model.bin": b"2"}
    with scoring(tmp_path / "several", files, PATHS) as several:
        root = several.model
        assert several.post("{}").json == {
            "first.txt": str(root / "first.txt"),
            "second": str(root / "second"),
            "a model": str(root),
            "versioned": str(root / "second" / "2" / "model.bin"),
            "third": "There is no model 'third' here: the deployed one is 'a model'.",
        }


def test_the_deployer_reads_the_traceback_and_a_caller_does_not(text: Process) -> None:
    told = text.ask("POST", "/score", "{}", key=OWN_KEY)
    assert (told.status, "KeyError: 'data'" in told.json["message"]) == (500, True)
    assert "KeyError" not in text.post("{}").json["message"]
    assert "KeyError: 'data'" in text.log.read_text()


def test_what_cannot_be_a_setting_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="SCORING_TIMEOUT_MS: '1 s'"),
        scoring(tmp_path / "bad", {"m": b""}, TEXT, SCORING_TIMEOUT_MS="1 s"),
    ):
        pass
