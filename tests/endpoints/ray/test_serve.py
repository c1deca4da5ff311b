"""What is asked of Serve's REST API, over real HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ml_workspace_lab.compute.driver import Refused, Unreachable
from ml_workspace_lab.compute.http import Engine
from ml_workspace_lab.endpoints.drivers.ray.serve import PATH, ServeApi
from tests.endpoints.ray.support import answering


@contextmanager
def dashboard(status: int, body: bytes) -> Iterator[ServeApi]:
    with answering(PATH, status, body) as port:
        yield ServeApi(Engine(f"http://127.0.0.1:{port}"))


def test_applications_are_found_by_how_their_names_begin() -> None:
    told = b"""{
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0"},
        "applications": {
            "a-g1": {"name": "a-g1", "status": "RUNNING", "source": "imperative"},
            "b-g1": {"name": "b-g1", "status": "DEPLOYING"}
        }
    }"""
    with dashboard(200, told) as serve:
        found = serve.look()
    assert list(found.beginning("a-g")) == ["a-g1"]
    assert found.applications["a-g1"].status == "RUNNING"
    assert found.http_options is not None
    assert found.http_options.port == 8000


def test_a_cluster_where_serve_was_never_started_has_no_applications() -> None:
    told = b'{"applications": {}, "proxies": {}, "http_options": null, "proxy_location": null}'
    with dashboard(200, told) as serve:
        assert serve.look().applications == {}


def test_a_cluster_without_serve_is_refused_with_what_to_do() -> None:
    refused = pytest.raises(Refused, match=r"Install `ray\[serve\]` on")
    with dashboard(501, b"Serve dependencies are not installed.") as serve, refused:
        serve.look()


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (500, b"Traceback"), (503, b"")])
def test_an_answer_of_no_use_is_none(status: int, body: bytes) -> None:
    with dashboard(status, body) as serve, pytest.raises(Unreachable):
        serve.look()
