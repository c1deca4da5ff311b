"""A process that sends requests on to where a deployment answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from ml_workspace_lab.endpoints.folder import EndpointFolder, Upstream
from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.endpoints.telemetry.model import Sampling
from ml_workspace_lab.endpoints.telemetry.sample_files import page
from tests.endpoints.process import OWN_KEY, Process, scoring
from tests.waiting import eventually

ECHO = """
import json
from azureml.contrib.services.aml_request import rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init():
    pass

@rawhttp
def run(request):
    if request.method == "GET":
        return {"query": dict(request.args)}
    told = {"key": request.headers["Authorization"], "odd": request.headers.get("X-Odd")}
    return AMLResponse(json.dumps({**told, "size": len(request.get_data())}), 201, {"X-Own": "1"})
"""


def place(process: Process) -> Upstream:
    parts = urlsplit(process.root)
    return Upstream(parts.hostname or "", parts.port or 0, OWN_KEY)


@contextmanager
def proxy(status: int, **headers: str) -> Iterator[Upstream]:
    """Something before a deployment that answers itself, with the path that it was asked for."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(self.path)))
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Upstream("127.0.0.1", server.server_port, OWN_KEY, "/its/own")
        server.shutdown()
        thread.join()


def test_requests_and_answers_pass_as_they_are_but_for_the_key(tmp_path: Path) -> None:
    settings = RequestSettings(max_body_bytes=200_000)
    with (
        scoring(tmp_path / "far", {"a": b""}, ECHO) as far,
        scoring(tmp_path / "near", {}, upstream=place(far), settings=settings) as near,
    ):
        answer = near.post("x" * 100_000, X_Odd="1", x_request_id="mine")
        assert (answer.status, answer.headers["X-Own"]) == (201, "1")
        assert answer.json == {"key": f"Bearer {OWN_KEY}", "odd": "1", "size": 100_000}
        assert answer.headers["x-request-id"] == "mine"
        assert answer.headers["azureml-model-deployment"] == "default"
        assert near.ask("GET", "/score?a=1").json == {"query": {"a": "1"}}
        assert near.ask("POST", "/score", "{}", key="no key").status == 401
        assert near.post("x" * 200_001).status == 413
        assert near.ask("GET", "/").content == b"Healthy"
        assert near.ask("DELETE", "/score").status == 405
        document = near.ask("GET", "/openapi.json", key=None)
        assert document.json["openapi"].startswith("3.1")
        assert near.ask("GET", "/v2/models/a%20model", key=None).json["versions"] == ["3"]
        metrics = near.ask("GET", "/metrics").content.decode()
        assert 'page="score",code="201"' in metrics


def test_a_deployment_that_is_away_is_said_to_be_and_found_where_it_is_then(tmp_path: Path) -> None:
    nowhere = Upstream("127.0.0.1", 1, OWN_KEY)
    with scoring(tmp_path / "near", {}, upstream=nowhere) as near:
        answer = near.post("{}")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert near.ask("GET", "/healthz").status == 200
        with scoring(tmp_path / "far", {"a": b""}, ECHO) as far:
            file = EndpointFolder(tmp_path / "near").generation(1).upstream
            new = file.with_name("new")
            new.write_bytes(msgspec.json.encode(place(far)))
            new.replace(file)
            eventually(lambda: near.post("{}").status == 201, what="it is found")
            far.process.kill()
            eventually(lambda: near.post("{}").status == 503, what="it is away again")


def test_samples_are_kept_of_what_is_answered_elsewhere(tmp_path: Path) -> None:
    with (
        scoring(tmp_path / "far", {"a": b""}, ECHO) as far,
        scoring(tmp_path / "near", {}, upstream=place(far), sampling=Sampling(1.0)) as near,
    ):
        assert near.post('{"data": [[1, 2]]}').status == 201
        samples = EndpointFolder(tmp_path / "near").samples
        eventually(lambda: page(samples, None, None, 10).items, what="a sample is kept")
        [sample] = page(samples, None, None, 10).items
        assert (sample.status, sample.request) == (201, {"data": [[1, 2]]})


def test_a_deployment_may_have_its_address_with_others(tmp_path: Path) -> None:
    with (
        proxy(500, x_ms_server_version="ours") as there,
        scoring(tmp_path / "near", {}, upstream=there) as near,
    ):
        answer = near.post("{}", "/score?a=%20b")
        assert (answer.status, answer.content) == (500, b"/its/own/score?a=%20b")


def test_what_something_on_the_way_says_is_not_the_deployment_s_word(tmp_path: Path) -> None:
    for status in (404, 500):
        with proxy(status) as there, scoring(tmp_path / str(status), {}, upstream=there) as near:
            answer = near.post("{}")
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
