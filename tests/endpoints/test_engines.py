"""What answers at an endpoint: the model's own library, or ONNX Runtime where that was verified."""

import json
from pathlib import Path
from typing import Any

import pytest
from skl2onnx import to_onnx

from ml_workspace_lab import Endpoint, Model, Workspace
from ml_workspace_lab.cli.main import run
from ml_workspace_lab.errors import InvalidInput, NotFound, Unavailable
from ml_workspace_lab.models.model import ModelFile, RegisterModel
from tests.conftest import agents
from tests.endpoints.support import scale_endpoint, score, scoring
from tests.models.compiled import made

BODY = json.dumps({"data": made.ROWS[:3].tolist()})
ANSWERS = made.logistic().predict(made.ROWS[:3]).tolist()


def registered(ws: Workspace, name: str = "m", example: Any = made.ROWS) -> Model:
    return Model.register(ws, name, model=made.logistic(), input_example=example)


def test_a_verified_graph_answers_and_is_made_once(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    model = registered(ws)
    with pytest.raises(NotFound, match="Nobody has compiled m:1"):
        ws.connection.compilations.get("m", 1)
    endpoint = Endpoint.deploy(ws, "first", model)
    assert score(endpoint, BODY).json == ANSWERS
    served = endpoint.info().served_by
    assert served is not None
    assert (served.engine, served.providers) == ("onnxruntime", ["CPUExecutionProvider"])
    assert served.rows > 100
    assert served.max_difference is not None
    assert served.max_difference <= (served.tolerance or 0)
    assert "verified on" in endpoint._repr_mimebundle_()["text/plain"]
    kept = ws.connection.compilations.get("m", 1)
    assert kept.verdict.kept
    assert kept.onnx is not None

    again = Model(ws, "m").deploy("second")
    files = [ModelFile(f.path, f.digest, f.size) for f in model.info().files]
    ws.connection.models.register("twin", RegisterModel(files=files))
    twin = Model(ws, "twin").deploy("third")
    for one in (again, twin):
        assert one.info().served_by == served
        assert "Compiling" not in one.get_logs()
    assert "Compiling" in endpoint.get_logs()
    assert ws.connection.compilations.get("twin", 1) == kept

    root = ws.connection.storage.root  # type: ignore[attr-defined]
    capsys.readouterr()
    assert run(["-w", str(root), "-o", "json", "endpoint", "show", "third"]) == 0
    assert json.loads(capsys.readouterr().out)["served_by"]["engine"] == "onnxruntime"

    for process in [*scoring(root), *agents(root)]:
        assert process.environ()["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_native_engine_can_be_asked_for(ws: Workspace) -> None:
    endpoint = Endpoint.deploy(ws, "native", registered(ws), engine="native")
    assert score(endpoint, BODY).json == ANSWERS
    served = endpoint.info().served_by
    assert served is not None
    assert (served.engine, served.reason) == ("native", "it was asked for")
    with pytest.raises(NotFound):
        ws.connection.compilations.get("m", 1)


def test_a_model_without_an_example_is_served_natively_and_not_by_onnx(ws: Workspace) -> None:
    model = registered(ws, example=None)
    with pytest.raises(Unavailable, match="register the model with an input_example"):
        Endpoint.deploy(ws, "asked", model, engine="onnx")
    served = Endpoint.deploy(ws, "auto", model).info().served_by
    assert served is not None
    assert served.engine == "native"
    assert "no rows to verify" in served.reason


def test_a_user_compiles_with_rows_of_their_own(ws: Workspace) -> None:
    model = registered(ws, example=None)
    found = model.compile(made.ROWS)
    assert found.verdict.kept, found
    assert found.verdict.rows > len(made.ROWS)
    endpoint = Endpoint.deploy(
        ws, "e-one", model, engine="onnx", providers=["CPUExecutionProvider"]
    )
    assert score(endpoint, BODY).json == ANSWERS
    assert "Compiling" not in endpoint.get_logs()
    with pytest.raises(Unavailable, match=r"CUDAExecutionProvider can't be had.*CPUExecution"):
        Endpoint.deploy(ws, "gpu", model, engine="onnx", providers=["CUDAExecutionProvider"])
    ws.connection.compilations.forget("m", 1)
    with pytest.raises(NotFound):
        ws.connection.compilations.get("m", 1)


def test_what_can_not_be_had_is_told(ws: Workspace, tmp_path: Path) -> None:
    model = registered(ws)
    with pytest.raises(InvalidInput, match="Give the engine onnx") as told:
        Endpoint.deploy(ws, "e-two", model, providers=["CPUExecutionProvider"])
    assert told.value.field == "providers"
    with pytest.raises(InvalidInput, match="a scoring script loads the model") as told:
        scale_endpoint(ws, tmp_path, engine="onnx")
    assert told.value.field == "engine"
    with pytest.raises(InvalidInput, match="engine"):
        Endpoint.deploy(ws, "e-two", model, engine="fast")  # type: ignore[arg-type]


def test_a_script_says_what_serves_it(ws: Workspace, tmp_path: Path) -> None:
    served = scale_endpoint(ws, tmp_path).info().served_by
    assert served is not None
    assert (served.engine, served.reason) == ("native", "a scoring script loads the model")


@pytest.mark.parametrize("bare", [False, True])
def test_a_model_that_was_registered_as_a_graph_is_scored(
    ws: Workspace, tmp_path: Path, bare: bool
) -> None:
    graph = to_onnx(made.logistic(), made.ROWS[:1].astype("f4"), options={"zipmap": False})
    if bare:
        (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
        model = Model.register(ws, "graph", tmp_path / "model.onnx")
    else:
        model = Model.register(ws, "graph", model=graph, input_example=made.ROWS)
    assert (model.info().framework, model.info().executes_code) == ("Onnx", False)
    assert model.preflight(sample=json.loads(BODY)) == ANSWERS
    endpoint = Endpoint.deploy(ws, "graph", model)
    assert score(endpoint, BODY).json == ANSWERS
    refused = score(endpoint, json.dumps({"data": [[1, 2]]}))
    assert (refused.status, "4" in refused.json["message"]) == (400, True)
    served = endpoint.info().served_by
    assert served is not None
    assert str(served) == "onnxruntime (it was registered as a graph)"
    assert served.providers == ["CPUExecutionProvider"]
