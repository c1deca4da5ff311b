"""What a deployment lets in, and how it says that it doesn't."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_workspace_lab import Endpoint, Workspace
from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.errors import InvalidInput
from tests.endpoints.process import Process, scoring
from tests.endpoints.support import SCALE, Gate, scale_endpoint, scale_model, score, script
from tests.http import Answer
from tests.waiting import eventually


def asked(ask: Callable[[], Answer]) -> tuple[threading.Thread, list[Answer]]:
    """The answer that somebody gets meanwhile."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    return thread, answers


def waiting(process: Process) -> int:
    """How many requests were read and have no answer yet, as the log of a busy process tells."""
    return process.log.read_text().count("POST /score 503")


def test_more_than_may_wait_are_sent_away_and_told_when_to_come_again(tmp_path: Path) -> None:
    settings = RequestSettings(max_queued_requests=1, max_body_bytes=1000)
    gate = Gate(tmp_path)
    with scoring(tmp_path / "e", {"factor.txt": b"2"}, SCALE, settings=settings) as process:
        first, first_answer = asked(lambda: process.post(gate.body))
        gate.wait_until_begun()
        others = [asked(lambda: process.post('{"x": 1}')) for _ in range(3)]
        eventually(lambda: waiting(process) == 2, what="two of the three are sent away")
        assert process.ask("GET", "/").status == 200
        gate.open()
        for thread in (first, *(thread for thread, _ in others)):
            thread.join(30)
        answers = sorted((answer for _, [answer] in others), key=lambda answer: answer.status)
        assert [answer.status for answer in answers] == [200, 503, 503]
        assert first_answer[0].status == 200
        for refused in answers[1:]:
            assert int(refused.headers["Retry-After"]) >= 1
            assert refused.json == {"message": "1 request is waiting already"}
        assert process.post('{"x": 1}' + " " * 1000).json["message"] == (
            "The body is over the limit of 1000 bytes"
        )
        assert process.post('{"x": 1}').status == 200


def test_who_has_waited_too_long_is_sent_away(tmp_path: Path) -> None:
    settings = RequestSettings(max_queue_wait_ms=50)
    gate = Gate(tmp_path)
    with scoring(tmp_path / "e", {"factor.txt": b"2"}, SCALE, settings=settings) as process:
        first, answers = asked(lambda: process.post(gate.body))
        gate.wait_until_begun()
        refused = process.post('{"x": 1}')
        assert (refused.status, "Retry-After" in refused.headers) == (503, True)
        assert refused.json == {"message": "The request has waited for 50 ms"}
        gate.open()
        first.join(30)
        assert answers[0].status == 200
        assert process.post('{"x": 1}').status == 200, "its place is free again"


def test_a_process_whose_script_never_comes_back_ends_when_it_is_told(tmp_path: Path) -> None:
    text = "import threading\ndef run(data): threading.Event().wait()"
    settings = RequestSettings(request_timeout_ms=100)
    with scoring(tmp_path / "e", {"m": b""}, text, settings=settings) as process:
        answer = process.post("{}")
        assert (answer.status, answer.json["message"]) == (500, "Scoring timeout after 100 ms")
        process.process.terminate()
        assert process.process.wait(30) == 0


def test_a_deployment_has_variables_and_limits_until_the_next(
    ws: Workspace, tmp_path: Path
) -> None:
    text = "import os\ndef run(data): return os.environ.get('GREETING')"
    endpoint = Endpoint.deploy(
        ws, "greeter", scale_model(ws, tmp_path, 1), scoring_script=script(tmp_path, text),
        environment_variables={"GREETING": "hello", "SCORING_TIMEOUT_MS": "5000"},
        request_settings={"max_body_bytes": 1000, "max_queued_requests": 2},
    )  # fmt: skip
    assert score(endpoint, "{}").json == "hello"
    assert score(endpoint, "[" + " " * 1000 + "]").status == 413
    info = endpoint.info()
    assert info.environment_variables == ["GREETING", "SCORING_TIMEOUT_MS"]
    assert info.request_settings == RequestSettings(max_body_bytes=1000, max_queued_requests=2)
    endpoint = scale_endpoint(ws, tmp_path)
    assert endpoint.info().request_settings == RequestSettings()
    with pytest.raises(InvalidInput, match="max_queue_wait_ms"):
        scale_endpoint(ws, tmp_path, request_settings={"max_queue_wait_ms": 0})
    with pytest.raises(InvalidInput, match="environment_variables"):
        scale_endpoint(ws, tmp_path, environment_variables={"A=B": "1"})
