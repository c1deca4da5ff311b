"""Rows of several requests are put to the model at once where that changes no answer."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.endpoints.scoring.joining import PROOFS, Joining
from ml_workspace_lab.endpoints.scoring.pace import Pace
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.quick_rows import quick_rows
from ml_workspace_lab.endpoints.scoring.rowwise import is_row_wise
from ml_workspace_lab.models.flavors.loading import Loaded
from tests import http
from tests.endpoints.front import KEY, Running, post, read_some, running
from tests.waiting import eventually


class Model:
    """y = 2 a + 3 b; notes how many rows each call had, and works when its gate is open."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fails_together = False
        self.centred = False

    def predict(self, rows: Any) -> Any:
        self.gate.wait(30)
        self.calls.append(len(rows))
        values = np.asarray(rows, "f8")
        if (values == 666).any() or (self.fails_together and len(rows) > 1):
            raise ValueError("these rows are refused")
        result = values @ [2.0, 3.0]
        return result - result.mean() + result[0] if self.centred else result


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def front(model: Model) -> Iterator[Running]:
    with running(Predictor(Loaded(model.predict, [], 2), is_row_wise=True)) as found:
        yield found


ZEROS = post(b'{"data": [[0, 0]]}')


def asked_together(
    front: Running, model: Model, sent: list[bytes], first: bytes = ZEROS
) -> list[tuple[int, Any]]:
    """Requests on connections of their own that wait while the model works on another; their
    answers in order."""
    turns = front.front._turns
    model.gate.clear()
    with ExitStack() as stack:
        held = stack.enter_context(front.connect())
        held.sendall(first)
        eventually(lambda: turns._working is not None, what="the model is busy")
        connections = [stack.enter_context(front.connect()) for _ in sent]
        for number, (connection, asked) in enumerate(zip(connections, sent, strict=True), 1):
            connection.sendall(asked)
            eventually(lambda number=number: len(turns.waiting) == number)
        model.gate.set()
        return [answer_of(connection) for connection in (held, *connections)][1:]


def answer_of(connection: Any) -> tuple[int, Any]:
    head = read_some_head(connection)
    size = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    body = b""
    while len(body) < size:
        body += connection.recv(size - len(body))
    return int(head[9:12]), json.loads(body)


def read_some_head(connection: Any) -> bytes:
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        found += connection.recv(1)
    return found


def prove(front: Running, model: Model) -> None:
    for _ in range(PROOFS):
        asked_together(front, model, [post(b'{"data": [[1.5, 2]]}')] * 2)
    model.calls.clear()


def test_what_waits_is_answered_by_one_call(front: Running, model: Model) -> None:
    prove(front, model)
    sent = [post(b'{"data": [[%d, 1]]}' % n) for n in range(20)]
    sent += [post(b'{"inputs": [[1, 1], [2, 2]]}', path="/invocations")]
    answers = asked_together(front, model, sent)
    assert answers == [(200, [2 * n + 3]) for n in range(20)] + [(200, {"predictions": [5, 10]})]
    assert model.calls == [1, 22]
    assert front.front._turns.crew.joined >= 21  # type: ignore[union-attr]


def test_one_request_that_the_model_refuses_fails_none_of_its_neighbours(
    front: Running, model: Model
) -> None:
    prove(front, model)
    answers = asked_together(front, model, [post(b'{"data": [[%d, 0]]}' % n) for n in (1, 666, 2)])
    assert [status for status, _ in answers] == [200, 400, 200]
    assert (answers[0][1], answers[2][1]) == ([2], [4])
    assert "does not take these rows" in answers[1][1]["message"]


def test_rows_of_other_types_are_not_put_together(front: Running, model: Model) -> None:
    prove(front, model)
    texts = [b"[[1, 2]]", b"[[1.5, 2]]", b"[[3, 4]]", b"[[true, false]]", b"[[2.5, 1], [1, 1]]"]
    answers = asked_together(front, model, [post(b'{"data": %b}' % text) for text in texts])
    assert answers == [(200, [8]), (200, [9]), (200, [18]), (200, [2]), (200, [8, 5])]
    assert sorted(model.calls) == [1, 1, 2, 3]


def test_no_more_than_so_many_rows_are_put_together(front: Running, model: Model) -> None:
    prove(front, model)
    rows = json.dumps({"data": [[1, 0]] * 500}).encode()
    answers = asked_together(front, model, [post(rows)] * 3)
    assert [len(answer) for _, answer in answers] == [500] * 3
    assert model.calls == [1, 1000, 500]


@pytest.mark.parametrize("fault", ["centred", "fails_together"])
def test_a_model_whose_answers_would_change_is_given_one_request_at_a_time(
    front: Running, model: Model, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    setattr(model, fault, True)
    for _ in range(PROOFS + 1):
        answers = asked_together(front, model, [post(b'{"data": [[%d, 0]]}' % n) for n in (1, 2)])
        assert answers == [(200, [2]), (200, [4])]
    model.calls.clear()
    asked_together(front, model, [post(b'{"data": [[1, 0]]}')] * 4)
    assert model.calls == [1] * 5
    assert "one request at a time" in capfd.readouterr().out


def test_a_deployment_may_want_none_of_it(model: Model) -> None:
    predictor = Predictor(Loaded(model.predict, [], 2), is_row_wise=True)
    with running(predictor, RequestSettings(batching=False)) as front:
        asked_together(front, model, [post(b'{"data": [[1, 0]]}')] * 4)
    assert model.calls == [1] * 5


def test_those_that_took_too_long_together_get_their_time_alone(model: Model) -> None:
    predictor = Predictor(Loaded(model.predict, [], 2), is_row_wise=True)
    stuck = threading.Event()

    def predict(rows: Any) -> Any:
        if len(rows) > 1:
            stuck.wait(30)
        return model.predict(rows)

    predictor.model.predict = predict
    with running(predictor, RequestSettings(request_timeout_ms=500)) as front:
        crew = front.front._turns.crew
        assert isinstance(crew, Joining)
        crew._proofs, crew.most = 0, 10
        answers = asked_together(front, model, [post(b'{"data": [[1, 0]]}')] * 2)
        assert answers == [(200, [2])] * 2
        stuck.set()


def test_a_quick_model_is_asked_in_the_loop_until_it_is_slow(front: Running, model: Model) -> None:
    threads = set()
    asked = model.predict

    def predict(rows: Any) -> Any:
        threads.add(threading.current_thread().name)
        return asked(rows)

    front.front._turns.crew._predictor.model.predict = predict  # type: ignore[union-attr]
    with front.connect() as connection:

        def ask() -> str:
            threads.clear()
            connection.sendall(post(b'{"data": [[1, 0]]}'))
            read_some(connection, b"[2.0]")
            [name] = threads
            return name

        assert ask() == "scoring"
        eventually(lambda: ask() != "scoring", what="it is found to be quick")
        front.front._turns.pace.took(1000, 0)
        assert ask() == "scoring"


def test_a_model_is_quick_while_hardly_a_call_is_slow() -> None:
    pace = Pace()
    for _ in range(100):
        pace.took(0.2, 0.2)
    assert pace.is_quick
    pace.took(10, 10)
    assert pace.is_quick, "one may be"
    for _ in range(100):
        pace.took(10, 0.2)
    assert pace.is_quick, "it was others that had the processor"
    for _ in range(3):
        pace.took(10, 10)
    assert not pace.is_quick
    for _ in range(200):
        pace.took(0.2, 0.2)
    assert pace.is_quick
    pace.took(51, 1)
    assert not pace.is_quick


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ('{"data": [[1, 2.5], [-0.5, 1e5]]}', [[1, 2.5], [-0.5, 1e5]]),
        ('{"d\\u0061ta":[[1]]}', [[1]]),
        ("[[1]]", [[1]]),
        ('{"other": [[1]]}', None),
        ('{"data": [[1]], "data": [[2]]}', None),
        ('{"data": [["1"]]}', None),
        ('{"data": [[null]]}', None),
        ('{"data": [[NaN]]}', None),
        ('{"data": [[1e999]]}', None),
        ('{"data": [[9007199254740993]]}', None),
        ('{"data": [[1]]} 2', None),
        ('{"data": [1]}', None),
        ("", None),
    ],
)
def test_rows_of_numbers_are_read_the_quick_way_and_all_else_the_strict_way(
    body: str, rows: Any
) -> None:
    found = quick_rows(body.encode(), ("data", ""))
    assert found == rows
    assert repr(found) == repr(rows), "whole numbers stay whole"


class Own(LinearRegression):
    """A model with code of somebody's own."""


def test_only_models_of_libraries_without_code_of_others_are_joined() -> None:
    x, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    for model, expected in [
        (LogisticRegression(), True),
        (make_pipeline(StandardScaler(), DecisionTreeClassifier()), True),
        (make_pipeline(FunctionTransformer(lambda rows: rows - rows.mean()), Own()), False),
        (make_pipeline(FunctionTransformer(np.log1p), LinearRegression()), False),
        (Own(), False),
    ]:
        assert is_row_wise(model.fit(x, y).predict, ()) is expected, model
    for flavors, expected in [
        (["onnx", "python_function"], True),
        (["xgboost"], True),
        (["python_function"], False),
        (["statsmodels", "onnx"], False),
        (["keras"], False),
    ]:
        assert is_row_wise(lambda rows: rows, flavors) is expected, flavors


def test_columns_keep_their_types_together(model: Model) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": ["x", "y", "x", "y"]})
    seen: list[list[str]] = []

    def predict(rows: pd.DataFrame) -> Any:
        model.gate.wait(30)
        seen.append([str(dtype.kind) for dtype in rows.dtypes])
        return rows["a"].to_numpy() * (1 + (rows["b"] == "y").to_numpy())

    predictor = Predictor(Loaded(predict, list(frame.columns), 2), is_row_wise=True)
    with running(predictor) as front:
        sent = [
            post(json.dumps({"data": [{"b": b, "a": a}]}).encode())
            for a, b in [(1, "x"), (2, "y"), (3, "x")]
        ]
        for _ in range(PROOFS + 1):
            answers = asked_together(front, model, sent, first=sent[0])
        assert answers == [(200, [1]), (200, [4]), (200, [3])]
        assert {tuple(kinds) for kinds in seen} == {("i", "O")}
        assert len(seen) < 4 * (PROOFS + 1) * 2


def test_counts_are_shown_to_who_has_a_key(front: Running, model: Model) -> None:
    prove(front, model)
    asked_together(front, model, [post(b'{"data": [[1, 1]]}')] * 3)
    bearer = {"Authorization": f"Bearer {KEY}"}
    http.request("POST", front.root + "/score", "{", bearer)
    assert http.request("GET", front.root + "/metrics", None, {}).status == 401
    answer = http.request("GET", front.root + "/metrics", None, bearer)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    values = dict(
        line.rsplit(" ", 1) for line in answer.content.decode().splitlines() if line[0] != "#"
    )
    labels = r'endpoint="an-endpoint",deployment="default",model="a \"model\"",version="3"'
    name = "ml_workspace_endpoint_"
    scored = float(values[f'{name}requests_total{{{labels},page="score",code="200"}}'])
    assert scored == 3 * PROOFS + 4
    assert values[f'{name}requests_total{{{labels},page="score",code="400"}}'] == "1"
    assert float(values[f"{name}scored_seconds_count{{{labels}}}"]) == scored
    assert float(values[f'{name}scored_seconds_bucket{{{labels},le="+Inf"}}']) == scored
    assert float(values[f"{name}scored_seconds_sum{{{labels}}}"]) > 0
    assert values[f"{name}joined_requests_total{{{labels}}}"] == "3"
    assert values[f"{name}joined_calls_total{{{labels}}}"] == "1"
