"""The Open Inference Protocol behind several deployments: an address names the version it wants."""

import json
from pathlib import Path

import psutil
import pytest
from sklearn.linear_model import LinearRegression

from ml_workspace_lab import Endpoint, Model, Workspace
from ml_workspace_lab.endpoints.folder import GenerationFolder
from tests.conftest import arguments_of, eventually
from tests.endpoints.support import request, scoring
from tests.http import Answer

ROWS = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
BODY = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [1, 1]}]}
HEADER = "azureml-model-deployment"


@pytest.fixture
def endpoint(ws: Workspace) -> Endpoint:
    """Version 1 is `blue`, 2 is `green`; 3 is `red`, which takes no traffic."""
    found = []
    for number, name in enumerate(("blue", "green", "red"), 1):
        model = LinearRegression().fit(ROWS, [0, number, number])
        registered = Model.register(ws, "lines", model=model)
        found.append(Endpoint.deploy(ws, "lines", registered, engine="native", deployment=name))
    first = found[0]  # who makes an endpoint is given its keys
    first.set_traffic({"blue": 60, "green": 40, "red": 0})
    return first


def ask(endpoint: Endpoint, path: str, **headers: str) -> Answer:
    """POST tensors where the path is one for them, else GET."""
    assert endpoint.keys is not None
    url = endpoint.scoring_uri.removesuffix("/score") + path
    body = json.dumps(BODY) if path.endswith("/infer") else None
    return request(
        "POST" if body else "GET",
        url,
        body,
        Authorization=f"Bearer {endpoint.keys.primary}",
        Content_Type="application/json",
        **headers,
    )


def deployment_of(process: psutil.Process) -> str:
    told = GenerationFolder(Path(arguments_of(process)[-1])).told()
    assert told is not None
    return told.deployment


def test_each_version_that_takes_traffic_answers_by_its_address(endpoint: Endpoint) -> None:
    for version, name in ((1, "blue"), (2, "green")):
        for _ in range(10):
            answer = ask(endpoint, f"/v2/models/lines/versions/{version}/infer")
            assert (answer.status, answer.headers[HEADER]) == (200, name)
            assert answer.json["model_version"] == str(version)
            assert answer.json["outputs"][0]["data"] == pytest.approx([2 * version])
        described = ask(endpoint, f"/v2/models/lines/versions/{version}")
        assert (described.status, described.headers[HEADER]) == (200, name)
        assert described.json["versions"] == ["1", "2"]
        ready = ask(endpoint, f"/v2/models/lines/versions/{version}/ready")
        assert (ready.json, ready.headers[HEADER]) == ({"name": "lines", "ready": True}, name)
    unnamed = [ask(endpoint, "/v2/models/lines/infer").json["model_version"] for _ in range(20)]
    assert unnamed.count("1") + unnamed.count("2") == 20
    assert 10 <= unnamed.count("1") <= 14


@pytest.mark.parametrize("rest", ["", "/ready", "/infer"])
def test_what_takes_no_traffic_is_not_there_unless_it_is_named(
    endpoint: Endpoint, rest: str
) -> None:
    for version in ("3", "9", "one"):
        missing = ask(endpoint, f"/v2/models/lines/versions/{version}{rest}")
        said = f"There is no version '{version}' of 'lines' here, but 'lines' in version 1, 2."
        assert (missing.status, missing.json) == (404, {"error": said})
    other = ask(endpoint, f"/v2/models/other/versions/1{rest}")
    assert other.status == 404
    assert "no model 'other' here, but 'lines' in version 1, 2" in other.json["error"]
    named = ask(endpoint, f"/v2/models/lines/versions/3{rest}", azureml_model_deployment="red")
    assert (named.status, named.headers[HEADER]) == (200, "red")

    endpoint.set_traffic({"blue": 0, "green": 100, "red": 0})
    if rest == "/infer":
        gone = ask(endpoint, "/v2/models/lines/versions/1/infer")
        assert (gone.status, list(gone.json)) == (404, ["error"])
    assert ask(endpoint, f"/v2/models/lines/versions/2{rest}").status == 200


def test_a_version_whose_process_died_is_away_and_no_other_answers_for_it(
    endpoint: Endpoint, ws: Workspace
) -> None:
    [green] = [p for p in scoring(Path(ws.location)) if deployment_of(p) == "green"]
    green.kill()
    seen = set()

    def is_back() -> bool:
        answer = ask(endpoint, "/v2/models/lines/versions/2/infer")
        seen.add(answer.status)
        if answer.status == 200:
            assert answer.json["model_version"] == "2"
        else:
            assert answer.headers["Retry-After"] == "1"
            assert list(answer.json) == ["error"]
        return answer.status == 200 and not green.is_running()

    eventually(is_back, what="the version answers again")
    assert seen <= {200, 503}
