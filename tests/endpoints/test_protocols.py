"""A model's folder behind MLflow's scoring protocol, the Open Inference Protocol and Arrow."""

import json
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from ml_workspace_lab.models.flavors import folder as flavors
from tests import http
from tests.endpoints.process import Process, scoring
from tests.mlflow.conformance.conftest import MLFLOW
from tests.waiting import eventually

NAMED = pd.DataFrame({"a": [0.0, 1.0, 0.0], "b": [0.0, 0.0, 1.0]})
JSON, CSV = "application/json", "text/csv"
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = 2 a + 3 b, as it is registered."""
    folder = tmp_path_factory.mktemp("model")
    flavors.write(LinearRegression().fit(NAMED, [0, 2, 3]), folder, input_example=NAMED)
    return folder


@pytest.fixture(scope="module")
def lines(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with scoring(tmp_path_factory.mktemp("lines") / "lines", model, name="my lines") as process:
        yield process


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The same, of an array without names."""
    folder = tmp_path_factory.mktemp("places")
    flavors.write(LinearRegression().fit(NAMED.to_numpy(), [0, 2, 3]), folder)
    with scoring(tmp_path_factory.mktemp("lines") / "lines", folder) as process:
        yield process


@pytest.fixture(scope="module")
def theirs(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What `mlflow models serve` starts, for the same folder."""
    assert MLFLOW.exists(), "a real MLflow is missing: run scripts/install_mlflow"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [
        str(MLFLOW.with_name("python")), "-m", "uvicorn",
        "--host", "127.0.0.1", "--port", str(port), "mlflow.pyfunc.scoring_server.app:app",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "__pyfunc_model_path__": model.as_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    log = tmp_path_factory.mktemp("theirs") / "log.txt"
    with log.open("wb") as printed:
        process = subprocess.Popen(words, env=environment, stdout=printed, stderr=printed)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return http.request("GET", url + "/ping", None, {}).status == 200
        except OSError:
            return False

    try:
        eventually(answers, 120, "MLflow serves the model")
        yield url
    finally:
        process.kill()
        process.wait()


SPLIT = {"columns": ["b", "a"], "index": [7, 8], "data": [[1, 1.0], [0, 10.0]]}
TAKEN: list[tuple[str, Any]] = [
    (JSON, {"dataframe_split": SPLIT}),
    (JSON, {"dataframe_split": SPLIT, "params": {}}),
    (JSON, {"dataframe_records": [{"a": 1.0, "b": 1}, {"b": 0, "a": 10.0}]}),
    (JSON, {"instances": [{"a": 1.0, "b": 1.0}, {"b": 0.0, "a": 10.0}]}),
    (JSON, {"inputs": {"b": [1.0, 0.0], "a": [1.0, 10.0]}}),
    (JSON, {"inputs": [{"a": 1.0, "b": 1.0}, {"b": 0.0, "a": 10.0}]}),
    (JSON, {"inputs": {"a": 1.0, "b": 2.0}}),
    (JSON + "; charset=utf-8", {"dataframe_split": SPLIT}),
    (CSV, "b,a\n1,1\n0,10\n"),
    (CSV + "; charset=utf-8", "a,b\n1,1\n"),
]
REFUSED: list[tuple[str, Any, int]] = [
    (JSON, "", 400), (JSON, "nothing", 400), (JSON, [[1, 2]], 400), (JSON, {}, 400),
    (JSON, {"instances": [[1.0, 1.0]], "inputs": [[1.0, 1.0]]}, 400),
    (JSON, {"dataframe_split": [[1]]}, 400),
    (JSON, {"dataframe_split": {"columns": ["a", "b"]}}, 400),
    (JSON, {"dataframe_split": {**SPLIT, "more": 1}}, 400),
    (JSON, {"dataframe_split": {"columns": ["a"], "data": [[1]]}}, 400),
    (JSON, {"dataframe_records": {"a": 1}}, 400),
    (JSON, {"dataframe_records": [{"a": "red", "b": 1}]}, 400),
    (JSON, {"inputs": {"a": [1.0, 2.0], "b": [1.0]}}, 400),
    (CSV, "a\n1\n", 400), (CSV, "", 400),
    ("text/plain", "{}", 415), (JSON + "; charset=latin-1", "{}", 415),
]  # fmt: skip


def as_body(payload: Any) -> str:
    return payload if isinstance(payload, str) else json.dumps(payload)


def test_invocations_answer_as_mlflow_does(lines: Process, theirs: str) -> None:
    for kind, payload in TAKEN:
        body, headers = as_body(payload), {"Content-Type": kind}
        their = http.request("POST", theirs + "/invocations", body, headers)
        our = lines.ask("POST", "/invocations", body, headers)
        assert (our.status, their.status) == (200, 200), (payload, our, their)
        assert set(our.json) == set(their.json) == {"predictions"}
        assert our.json["predictions"] == pytest.approx(their.json["predictions"]), payload
    for kind, payload, status in REFUSED:
        body, headers = as_body(payload), {"Content-Type": kind}
        their = http.request("POST", theirs + "/invocations", body, headers)
        our = lines.ask("POST", "/invocations", body, headers)
        assert (our.status, their.status) == (status, status), (payload, our, their)
        assert our.json["error_code"] == "BAD_REQUEST"
        assert our.json["message"]
    for path in ("/ping", "/health"):
        their = http.request("GET", theirs + path, None, {})
        our = lines.ask("GET", path, key=None)
        assert (our.status, our.content) == (their.status, their.content) == (200, b"\n")


def test_invocations_take_rows_by_place_and_refuse_what_they_would_have_to_drop(
    lines: Process, places: Process
) -> None:
    for endpoint in (lines, places):
        for payload in ({"instances": [[1, 1]]}, {"inputs": [[1, 1]]}):
            answer = endpoint.post(json.dumps(payload), "/invocations")
            assert answer.json["predictions"] == pytest.approx([5]), payload
    for payload, said in [
        ({"instances": [[1, 1]], "params": {"temperature": 1}}, "no params"),
        ({"instances": [[1, 1]], "more": 1}, "unknown: more"),
        ({"dataframe_records": [{"a": 1, "b": 1, "c": 1}]}, "Unknown: c"),
    ]:
        refused = lines.post(json.dumps(payload), "/invocations")
        assert refused.status == 400
        assert said in refused.json["message"]
    assert lines.ask("POST", "/invocations", "{}", key=None).json["error_code"] == "UNAUTHENTICATED"


def test_the_open_inference_protocol_describes_server_and_model(
    lines: Process, places: Process
) -> None:
    def get(path: str) -> Any:
        return lines.ask("GET", path, key=None).json

    assert get("/v2")["name"] == "ml-workspace-lab"
    assert get("/v2/health/live") == {"live": True}
    assert get("/v2/health/ready") == {"ready": True}
    assert get("/v2/models/my%20lines/versions/3/ready") == {"name": "my lines", "ready": True}
    described = {
        "name": "my lines",
        "versions": ["3"],
        "platform": "mlflow",
        "inputs": [
            {"name": "a", "datatype": "FP64", "shape": [-1]},
            {"name": "b", "datatype": "FP64", "shape": [-1]},
        ],
        "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
    }
    assert get("/v2/models/my%20lines") == get("/v2/models/my%20lines/versions/3") == described
    unnamed = places.ask("GET", "/v2/models/a%20model").json
    assert unnamed["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 2]}]
    for path in ("/v2/models/other", "/v2/models/my%20lines/versions/4/ready"):
        missing = lines.ask("GET", path)
        assert missing.status == 404
        assert "'my lines'" in missing.json["error"]


def tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


INFER = "/v2/models/my%20lines/infer"
FINE = tensor("x", "FP64", [1, 2], [1, 1])


def test_tensors_are_inferred(lines: Process, places: Process) -> None:
    flat = tensor("x", "FP32", [2, 2], [1, 1, 10, 0])
    columns = [tensor("b", "INT64", [2], [1, 0]), tensor("a", "FP64", [2, 1], [[1.5], [10]])]
    answer = lines.post(json.dumps({"id": "mine", "inputs": [flat]}), INFER).json
    assert answer["outputs"][0]["data"] == pytest.approx([5, 20])
    del answer["outputs"][0]["data"]
    assert answer == {
        "id": "mine", "model_name": "my lines", "model_version": "3",
        "outputs": [{"name": "predict", "datatype": "FP64", "shape": [2]}],
    }  # fmt: skip
    wanted = {"inputs": columns, "outputs": [{"name": "predict"}]}
    by_column = lines.post(json.dumps(wanted), INFER.replace("/infer", "/versions/3/infer")).json
    assert by_column["outputs"][0]["data"] == pytest.approx([6, 20])
    nested = tensor("x", "INT8", [1, 2], [[1, 1]])
    by_place = places.post(json.dumps({"inputs": [nested]}), "/v2/models/a%20model/infer").json
    assert by_place["outputs"][0]["data"] == pytest.approx([5])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [{"name": "x"}]}, "shape"),
        ({"inputs": [tensor("x", "FP64", [2, 2], [1, 1])]}, "do not fill the shape"),
        ({"inputs": [tensor("x", "FP64", [1, -2], [1, 1])]}, "shape"),
        ({"inputs": [tensor("x", "FP99", [1, 2], [1, 1])]}, "not one of BOOL"),
        ({"inputs": [tensor("x", "INT64", [1, 2], [1.5, 1])]}, "not every value is INT64"),
        ({"inputs": [tensor("x", "FP64", [1, 2], ["1", 1])]}, "not every value is FP64"),
        ({"inputs": [tensor("x", "UINT8", [1, 2], [300, 1])]}, "fits into UINT8"),
        ({"inputs": [tensor("x", "FP32", [1, 2], [1e300, 1])]}, "fits into FP32"),
        ({"inputs": [tensor("x", "BYTES", [1, 2], ["red", "blue"])]}, "does not take these rows"),
        ({"inputs": [tensor("x", "FP64", [1, 3], [1, 1, 1])]}, "the model takes 2"),
        ({"inputs": [tensor("x", "FP64", [0, 2], [])]}, "no rows"),
        ({"inputs": [tensor("a", "FP64", [1], [1])]}, "Missing: b"),
        ({"inputs": [tensor("a", "FP64", [1], [1])] * 2}, "twice"),
        ({"inputs": [tensor("a", "FP64", [1], [1]), tensor("b", "FP64", [2], [1, 2])]}, "length"),
        ({"inputs": [FINE], "outputs": [{"name": "y"}]}, "'y'"),
        ({"inputs": [FINE], "parameters": {"binary_data_output": True}}, "Binary"),
    ],
)  # fmt: skip
def test_what_is_no_tensor_of_the_model_is_refused(
    lines: Process, body: dict[str, Any], said: str
) -> None:
    refused = lines.post(json.dumps(body), INFER)
    assert refused.status == 400
    assert set(refused.json) == {"error"}
    assert said in refused.json["error"]


def test_inference_asks_for_a_key_and_for_json(lines: Process) -> None:
    assert lines.ask("POST", INFER, "{}", key=None).status == 401
    assert lines.post("{", INFER).status == 400
    assert lines.post("{}", INFER, Content_Type="text/plain").status == 415
    assert lines.post("{}", INFER.replace("my", "your")).status == 404
    binary = lines.post("{}", INFER, Inference_Header_Content_Length="2")
    assert "Binary tensors" in binary.json["error"]


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("path", ["/score", "/invocations"])
def test_a_big_batch_goes_and_comes_as_an_arrow_stream(
    lines: Process, places: Process, path: str
) -> None:
    values = np.arange(100_000, dtype="float64")
    body = stream(pa.table({"b": values, "a": values}))
    for endpoint, factor in ((lines, 5), (places, 5)):
        answer = endpoint.post(body, path, Content_Type=ARROW)
        assert (answer.status, answer.headers["Content-Type"]) == (200, ARROW)
        table = pa.ipc.open_stream(answer.content).read_all()
        assert table.column_names == ["predictions"]
        assert table["predictions"].to_numpy() == pytest.approx(factor * values)


def test_an_arrow_stream_that_does_not_hold_together_is_refused(lines: Process) -> None:
    table = pa.table({"a": [1.0] * 100, "b": pa.array(["x"] * 100).dictionary_encode()})
    whole = stream(pa.table({"a": [1.0], "b": ["text"]}))
    offsets = whole.rindex(struct.pack("<ii", 0, 4))
    cases = {
        b"": "no Arrow stream",
        b"ARROW1 and more": "no Arrow stream",
        whole[:-40]: "no Arrow stream",
        whole[:offsets] + struct.pack("<ii", 0, 2**30) + whole[offsets + 8 :]: "no Arrow stream",
        stream(table, options=pa.ipc.IpcWriteOptions(compression="zstd")): "is compressed",
        stream(pa.table({"a": [1.0], "c": [1.0]})): "Missing: b. Unknown: c.",
        stream(pa.table({"a": [1.0], "b": ["red"]})): "does not take these rows",
        stream(pa.table({"a": pa.array([], "f8"), "b": pa.array([], "f8")})): "no rows",
    }
    for body, said in cases.items():
        refused = lines.post(body, Content_Type=ARROW)
        assert refused.status == 400, said
        assert said in refused.json["message"]
    assert lines.post('{"data": [[1, 1]]}').status == 200, "it goes on"


def test_a_script_is_asked_at_its_own_path_alone(tmp_path: Path) -> None:
    with scoring(tmp_path / "scripted", {"m": b""}, "def run(data): return data") as scripted:
        assert scripted.post("{}").json == "{}"
        for path in ("/invocations", "/v2/models/a%20model/infer"):
            refused = scripted.post('{"instances": [[1]]}', path)
            assert refused.status == 400
            assert "/score" in str(refused.json)
        assert scripted.ask("GET", "/v2/models/a%20model").json["platform"] == "script"
