"""What `run.log` writes MLflow's clients read, and the other way round."""

import io
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.experiments.lineage import AddLineage, LineageItem
from ml_workspace_lab.mlflow import (
    artifacts,
    entities,
    experiments,
    history,
    inputs,
    logging,
    registry,
    runs,
    search,
    traces,
    webhooks,
)
from ml_workspace_lab.mlflow.errors import error_response
from ml_workspace_lab.mlflow.routes import routes
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.mlflow.writers import WRITERS

Json = dict[str, Any]
Call = Callable[[Request], Response]


class Client:
    """Calls the protocol without a server between."""

    def __init__(self, workspace: Workspace) -> None:
        self._connection = workspace.connection

    def request(self, content: bytes, path: Json, query: Json) -> Request:
        headers = {"Content-Type": "application/json"}
        asked = {name: [str(value)] for name, value in query.items()}
        return Request(self._connection, path, asked, io.BytesIO(content), headers)

    def post(self, call: Call, **body: Any) -> Json:
        return self._json(call(self.request(json.dumps(body).encode(), {}, {})))

    def get(self, call: Call, **query: Any) -> Json:
        return self._json(call(self.request(b"", {}, query)))

    def put(self, path: str, content: bytes) -> None:
        artifacts.put(self.request(content, {"path": path}, {}))

    def download(self, path: str) -> bytes:
        answer = artifacts.get(self.request(b"", {"path": path}, {}))
        assert not isinstance(answer.body, bytes)
        return answer.body.read()

    def start(self, **fields: Any) -> str:
        body = {"experiment_id": "0", "start_time": 5, "run_name": "theirs", **fields}
        run_id: str = self.post(runs.create, **body)["run"]["info"]["run_id"]
        return run_id

    @staticmethod
    def _json(answer: Response) -> Json:
        assert isinstance(answer.body, bytes)
        found: Json = json.loads(answer.body)
        return found


@pytest.fixture
def client(ws: Workspace) -> Iterator[Client]:
    yield Client(ws)
    for run in ws.runs():
        WRITERS.drop(run.id)


def test_a_run_of_ours_is_read_whole_by_a_client(ws: Workspace, client: Client) -> None:
    with ws.experiment("ours").start_logging(display_name="native") as run:
        run.log_params({"lr": 0.1, "deep": True, "none": None, "name": "x"})
        run.tag("team", "red")
        for step in range(5):
            run.log("loss", 1 / (step + 1), step=step)
        run.log("odd", math.inf)
        run.log_text("hello", "notes/a.txt")
        found = client.get(runs.get, run_id=run.id)["run"]
        assert found["info"]["status"] == "RUNNING"
    found = client.get(runs.get, run_id=run.id)["run"]
    assert found["info"]["status"] == "FINISHED"
    assert found["info"]["run_name"] == "native"
    params = {param["key"]: param["value"] for param in found["data"]["params"]}
    assert params == {"lr": "0.1", "deep": "True", "none": "None", "name": "x"}
    tags = {tag["key"]: tag["value"] for tag in found["data"]["tags"]}
    assert tags["team"] == "red"
    assert tags["mlflow.runName"] == "native"
    assert tags["mlflow.user"] == found["info"]["user_id"]
    metrics = {metric["key"]: metric["value"] for metric in found["data"]["metrics"]}
    assert metrics == {"loss": 0.2, "odd": 1.7976931348623157e308}
    points = client.get(history.history, run_id=run.id, metric_key="loss")["metrics"]
    assert [(point["step"], point["value"]) for point in points] == [
        (step, 1 / (step + 1)) for step in range(5)
    ]
    number = found["info"]["experiment_id"]
    assert client.download(f"{number}/{run.id}/artifacts/notes/a.txt") == b"hello"
    by_name = client.get(experiments.get_by_name, experiment_name="ours")["experiment"]
    assert by_name["experiment_id"] == number
    listed = client.post(search.runs, experiment_ids=[number], filter="params.lr = '0.1'")["runs"]
    assert [one["info"]["run_id"] for one in listed] == [run.id]


def test_a_run_of_a_client_is_read_whole_by_us(ws: Workspace, client: Client) -> None:
    tags = [{"key": "mlflow.note.content", "value": "a *note*"}, {"key": "k", "value": "v"}]
    run_id = client.start(user_id="ann", tags=tags)
    child = client.start(tags=[{"key": "mlflow.parentRunId", "value": run_id}])
    client.post(
        logging.log_batch,
        run_id=run_id,
        metrics=[{"key": "m", "value": v, "timestamp": 7, "step": s} for s, v in enumerate("123")],
        params=[{"key": "lr", "value": "0.1"}],
    )
    client.post(
        logging.log_metric, run_id=run_id, key="inf", value="-Infinity", timestamp=1, step=9
    )
    client.put(f"0/{run_id}/artifacts/model/weights.bin", b"\0\1")
    run = ws.run(run_id)
    info = ws.connection.runs.get(run_id)
    assert (info.display_name, info.state, info.experiment) == ("theirs", "Running", "Default")
    assert (info.kind, info.user, info.description, info.created) == (
        "external",
        "ann",
        "a *note*",
        5,
    )
    assert run.params == {"lr": "0.1"}
    assert run.tags["k"] == "v"
    assert run.get_metrics() == {"m": [1.0, 2.0, 3.0], "inf": -math.inf}
    assert ws.connection.artifacts.get(run_id, "model/weights.bin").read() == b"\0\1"
    assert ws.connection.runs.get(child).parent == run_id
    client.post(runs.update, run_id=run_id, status="FINISHED", end_time=9)
    ended = ws.connection.runs.get(run_id)
    assert (ended.state, ended.ended) == ("Completed", 9)
    assert run.get_metrics() == {"m": [1.0, 2.0, 3.0], "inf": -math.inf}


def test_a_client_logs_to_a_run_of_ours_while_it_goes_on(ws: Workspace, client: Client) -> None:
    with ws.experiment("ours").start_logging() as run:
        client.post(logging.log_metric, run_id=run.id, key="theirs", value=2, timestamp=1)
        client.post(logging.log_param, run_id=run.id, key="p", value="v")
        assert run.get_metrics() == {"theirs": 2.0}
        assert run.params == {"p": "v"}
    WRITERS.drop(run.id)
    with pytest.raises(InvalidInput, match="takes no more metrics"):
        client.post(logging.log_batch, run_id=run.id, metrics=[metric("late")])


def test_what_a_client_logged_is_in_the_store_after_the_end(ws: Workspace, client: Client) -> None:
    run_id = client.start()
    for part in range(5):
        metrics = [metric("m", step=part * 1000 + i) for i in range(1000)]
        client.post(logging.log_batch, run_id=run_id, metrics=metrics)
    client.post(runs.update, run_id=run_id, status="KILLED", end_time=9)
    client.post(logging.log_metric, run_id=run_id, **metric("m", step=5000))
    assert ws.run(run_id).get_metrics()["m"] == [1.0] * 5001
    summary = client.get(runs.get, run_id=run_id)["run"]["data"]["metrics"]
    assert [(one["key"], one["step"]) for one in summary] == [("m", 5000)]


def test_a_run_in_the_trash_takes_no_metrics_though_its_journal_was_open(
    ws: Workspace, client: Client
) -> None:
    run_id = client.start()
    client.post(logging.log_metric, run_id=run_id, **metric("m"))
    client.post(runs.delete, run_id=run_id)
    with pytest.raises(InvalidInput, match="must be in the 'active' state"):
        client.post(logging.log_metric, run_id=run_id, **metric("m"))
    client.post(runs.restore, run_id=run_id)
    client.post(logging.log_metric, run_id=run_id, **metric("m", step=2))
    assert ws.run(run_id).get_metrics() == {"m": [1.0, 1.0]}


def test_a_renamed_experiment_keeps_its_id(ws: Workspace, client: Client) -> None:
    experiment_id = client.post(experiments.create, name="before")["experiment_id"]
    client.post(experiments.update, experiment_id=experiment_id, new_name="after")
    assert ws.connection.experiments.get("after").number == int(experiment_id)
    with pytest.raises(NotFound):
        ws.connection.experiments.get("before")
    with pytest.raises(Conflict):
        client.post(experiments.create, name="after")


def test_each_call_is_in_the_table_once() -> None:
    addresses = [(route.method, route.pattern) for route in routes]
    assert len(addresses) == len(set(addresses))


def metric(key: str, step: int = 1) -> Json:
    return {"key": key, "value": 1.0, "timestamp": step, "step": step}


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner),
    max_leaves=4,
)
NAMES = st.sampled_from(["source_type", "source", "schema", "profile", "tags", "step", "other"])


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(several=st.lists(st.dictionaries(NAMES, VALUES), min_size=25))
def test_whatever_our_runs_say_of_their_data_clients_read_it(
    ws: Workspace, client: Client, several: list[Json]
) -> None:
    run = ws.experiment("lineage").start_logging()
    items = [LineageItem("input", "dataset", f"{n}", data=data) for n, data in enumerate(several)]
    items += [LineageItem("output", "model", f"m{n}", data=data) for n, data in enumerate(several)]
    ws.connection.lineage.add(run.id, AddLineage(items))
    run.complete()
    found = client.get(runs.get, run_id=run.id)["run"]
    msgspec.convert(found["inputs"], entities.Inputs)
    msgspec.convert(found["outputs"], entities.Outputs)


def test_what_a_run_made_may_be_its_input_too(ws: Workspace, client: Client) -> None:
    name = "made and read"
    with ws.experiment(name).start_logging() as run:
        run.log_output("s3://a/b", name="ds", digest="1")
        run.log_output("s3://a/c", name="only made", digest="1")
        for _ in range(2):
            dataset = {"name": "ds", "digest": "1", "source_type": "s3", "source": "s3://a/b"}
            client.post(inputs.log_inputs, run_id=run.id, datasets=[{"dataset": dataset}])
    (found,) = client.get(runs.get, run_id=run.id)["run"]["inputs"]["dataset_inputs"]
    assert found["dataset"] == dataset
    number = str(ws.connection.experiments.get(name).number)
    listed = client.post(inputs.search_datasets, experiment_ids=[number])["dataset_summaries"]
    assert listed == [{"experiment_id": number, "name": "ds", "digest": "1"}]


def test_data_of_our_runs_are_shown_as_text(ws: Workspace, client: Client) -> None:
    with ws.experiment("ours").start_logging() as run:
        run.log_input("s3://a/b", name="ds", tags={"n": 1}, schema={"a": "int"}, profile="p")
        run.log_input("s3://a/c", name="listed", tags=["raw"])
    first, second = client.get(runs.get, run_id=run.id)["run"]["inputs"]["dataset_inputs"]
    assert (first["dataset"]["schema"], first["dataset"]["profile"]) == ('{"a":"int"}', "p")
    context = {"key": "mlflow.data.context", "value": "training"}
    assert first["tags"] == [{"key": "n", "value": "1"}, context]
    assert second["tags"] == [context]


def test_a_tag_that_holds_no_list_is_not_added_to(ws: Workspace, client: Client) -> None:
    model = dict.fromkeys(logging.MODEL_FIELDS, "x")
    for number, text in enumerate(["nojson", "5", '{"a":1}', "false", "[" * 100_000]):
        run_id = client.start(tags=[{"key": logging.HISTORY, "value": text}])
        with pytest.raises(InvalidInput, match="holds no list"):
            client.post(logging.log_model, run_id=run_id, model_json=json.dumps(model))
        assert ws.connection.runs.get(run_id).tags[logging.HISTORY] == text
        trace = start_trace(client, f"tr-{number}", text)
        with pytest.raises(InvalidInput, match="holds no list"):
            client.post(traces.link_prompts, trace_id=trace, prompt_versions=[PROMPT])


def test_a_list_begins_anew_where_a_tag_holds_nothing(ws: Workspace, client: Client) -> None:
    model = dict.fromkeys(logging.MODEL_FIELDS, "x")
    for number, text in enumerate(["null", ""]):
        run_id = client.start(tags=[{"key": logging.HISTORY, "value": text}])
        client.post(logging.log_model, run_id=run_id, model_json=json.dumps(model))
        assert json.loads(ws.connection.runs.get(run_id).tags[logging.HISTORY]) == [model]
        trace = start_trace(client, f"tr-{number}", text)
        client.post(traces.link_prompts, trace_id=trace, prompt_versions=[PROMPT])
        tags = ws.connection.traces.get(trace).tags
        assert json.loads(tags[traces.PROMPTS_TAG]) == [PROMPT]


def test_a_model_that_is_no_object_is_the_callers_mistake(client: Client) -> None:
    run_id = client.start()
    for text in ("5", "null", "[]", "[" * 100_000):
        with pytest.raises(InvalidInput, match="Malformed model info"):
            client.post(logging.log_model, run_id=run_id, model_json=text)


def test_a_wrong_token_is_told_by_the_protocols_name(client: Client) -> None:
    for call in (search.experiments, registry.search):
        with pytest.raises(InvalidInput) as error:
            client.post(call, max_results=5, page_token="x")
        body = error_response(error.value, "1").body
        assert isinstance(body, bytes)
        assert json.loads(body)["message"].startswith("page_token: ")


PROMPT = {"name": "p", "version": "1"}


def start_trace(client: Client, trace_id: str, prompts: str) -> str:
    info = {
        "trace_id": trace_id,
        "request_time": "2026-11-24T09:30:00Z",
        "state": "OK",
        "tags": {traces.PROMPTS_TAG: prompts},
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": "0"},
        },
    }
    client.post(traces.start, trace={"trace_info": info})
    return trace_id


def test_what_a_native_run_can_not_become_is_said(ws: Workspace, client: Client) -> None:
    run = ws.experiment("native").start_logging()
    run.complete()
    for status, state in (("FAILED", "Failed"), ("RUNNING", "Running")):
        with pytest.raises(Conflict, match=f"is Completed and can't become {state}"):
            client.post(runs.update, run_id=run.id, status=status)
    with pytest.raises(Conflict, match="has an end already"):
        client.post(runs.update, run_id=run.id, end_time=5)
    client.post(runs.update, run_id=run.id, status="FINISHED", end_time=5)
    assert run.info().state == "Completed"


@pytest.mark.parametrize("name", ["a\nb", "a" * 300])
def test_a_name_that_no_run_can_have_is_refused_by_the_callers_field(
    client: Client, name: str
) -> None:
    run_id = client.start()
    tag = {"key": "mlflow.runName", "value": name}
    for call, body, field in (
        (runs.create, {"experiment_id": "0", "run_name": name}, "run_name"),
        (runs.create, {"experiment_id": "0", "tags": [tag]}, "mlflow.runName"),
        (runs.update, {"run_id": run_id, "run_name": name}, "run_name"),
        (logging.set_tag, {"run_id": run_id, **tag}, "mlflow.runName"),
    ):
        with pytest.raises(InvalidInput, match=f"^{field}: ") as refusal:
            client.post(call, **body)
        assert refusal.value.field == field


def test_the_schemes_of_webhooks_are_told_as_they_are(client: Client) -> None:
    events = [{"entity": "PROMPT", "action": "CREATED"}]
    with pytest.raises(InvalidInput, match="https, and http in networks"):
        client.post(webhooks.create, name="hook", url="ftp://example.org", events=events)
