"""Run by MLflow's own interpreter: `make URI` puts traces, assessments, datasets, scorers and
issues into a store, and `tell URI` prints what a stock client reads from a store or a server."""

import json
import os
import sys
import time

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, Feedback
from mlflow.entities.issue import IssueSeverity
from mlflow.entities.span import Link
from mlflow.genai.scorers import Guidelines, list_scorers
from mlflow.genai.scorers.registry import list_scorer_versions
from mlflow.tracing.client import TracingClient
from mlflow.tracing.constant import SpanAttributeKey

word, uri = sys.argv[1:]
mlflow.set_tracking_uri(uri)
client = MlflowClient()
is_folder = "://" not in uri
HUMAN = AssessmentSource("HUMAN", "ada")
HERE = "mlflow.artifactLocation"


@mlflow.trace(span_type="TOOL")
def leaf(x):
    span = mlflow.get_current_active_span()
    span.add_event(mlflow.entities.SpanEvent("seen", attributes={"n": 1, "t": "ü", "l": [1.5]}))
    span.set_attributes({
        "none": None, "deep": {"a": [1, 2.5, "ü", None, {}], "b": {}}, "empty": [], "flag": True,
        "text": "1", "nan": float("nan"),
        SpanAttributeKey.CHAT_USAGE: {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
    })  # fmt: skip
    return x + 1


@mlflow.trace
def root(x):
    mlflow.update_current_trace(
        tags={"k": "v", "ü": "line\nbreak"},
        metadata={"mlflow.trace.session": "s1", "mine": "m"},
        client_request_id="asked-1",
    )
    return leaf(x) * 2


@mlflow.trace
def failing():
    with mlflow.start_span("child") as span:
        if not is_folder:
            span.add_link(Link(f"tr-{'1' * 32}", "2" * 16, {"why": "so"}))
        raise ValueError("no")


def make():
    mlflow.set_experiment("chat")
    with mlflow.start_run() as run:
        root(1)
        mlflow.log_text("x", "a.txt")
    mlflow.flush_trace_async_logging()
    first = mlflow.get_last_active_trace_id()
    try:
        failing()
    except ValueError:
        mlflow.flush_trace_async_logging()
    second = mlflow.get_last_active_trace_id()
    given = mlflow.log_feedback(
        trace_id=first, name="good", value=False, source=HUMAN, metadata={"a": "b"}
    )
    mlflow.override_feedback(
        trace_id=first, assessment_id=given.assessment_id, value=0.5, rationale="since ü"
    )
    time.sleep(0.002)  # what is as old as another has no order of its own
    mlflow.log_expectation(trace_id=first, name="want", value={"a": [1, None]})
    time.sleep(0.002)
    mlflow.log_assessment(second, Feedback("judged", error=ValueError("broken")))
    if is_folder:
        return
    client.link_traces_to_run([second], run.info.run_id)
    issue = TracingClient()._create_issue(
        mlflow.get_experiment_by_name("chat").experiment_id, "slow", "It is.",
        severity=IssueSeverity.HIGH, root_causes=["ü"], categories=["x"],
        source_run_id=run.info.run_id,
    )  # fmt: skip
    mlflow.log_issue(trace_id=second, issue_id=issue.issue_id)
    in_a_file(second)
    datasets()
    for guidelines in ("Be polite.", "Be brief."):
        Guidelines(name="polite", guidelines=guidelines, model="openai:/gpt-4o").register()


def in_a_file(like):
    """A trace whose spans lie in a file, as clients before 3.4 wrote them."""
    trace = mlflow.get_trace(like)
    info = trace.info
    info.trace_id, info.assessments = f"tr-{'3' * 32}", []
    info.tags = {"in": "a file"}
    info.trace_metadata = {}
    made = client._tracking_client.store.start_trace(info)
    TracingClient()._upload_trace_data(made, trace.data)


def datasets():
    other = client.create_experiment("other")
    chat = mlflow.get_experiment_by_name("chat").experiment_id
    dataset = mlflow.genai.datasets.create_dataset(
        "golden", experiment_id=[chat, other], tags={"team": "x"}
    )
    dataset.merge_records([
        {"inputs": {"q": "1+1"}, "expectations": {"answer": 2}, "tags": {"mlflow.user": "bob"}},
        {"inputs": {"q": "ü", "n": 1.5}, "outputs": "text",
         "source": {"source_type": "HUMAN", "source_data": {"user": "ada"}}},
    ])  # fmt: skip
    dataset.merge_records([{"inputs": {"q": "1+1"}, "expectations": {"more": [1]}}])


def tell():
    found = {"traces": {}, "scorers": {}, "issues": [], "datasets": []}
    names = {one.experiment_id: one.name for one in client.search_experiments()}
    for number, name in sorted(names.items(), key=lambda one: one[1]):
        for trace in mlflow.search_traces(locations=[number], return_type="list", max_results=1000):
            found["traces"][trace.info.trace_id] = told(trace, name)
        if is_folder:
            continue
        for scorer in list_scorers(experiment_id=number):
            versions = list_scorer_versions(name=scorer.name, experiment_id=number)
            found["scorers"][f"{name}/{scorer.name}"] = [
                [one.model_dump(), version] for one, version in versions
            ]
        for issue in client._tracking_client.store.search_issues(experiment_id=number):
            found["issues"].append({**issue.to_dictionary(), "experiment_id": name})
    for dataset in [] if is_folder else mlflow.genai.datasets.search_datasets():
        whole = mlflow.genai.datasets.get_dataset(dataset_id=dataset.dataset_id)
        plain = whole.to_dict()
        plain["experiment_ids"] = sorted(names[one] for one in whole.experiment_ids)
        plain["schema"] = json.loads(plain["schema"])
        found["datasets"].append(plain)
    return found


def told(trace, experiment):
    """All of a trace but where it is; read once more by its id, which is the same."""
    again = mlflow.get_trace(trace.info.trace_id).to_dict()
    plain = trace.to_dict()
    assert again["data"] == plain["data"]
    plain["info"]["tags"].pop(HERE)
    plain["info"]["trace_location"] = experiment
    thoughts = plain["info"].get("assessments", [])
    thoughts.sort(key=lambda one: one["assessment_id"])
    for one in thoughts:
        one.setdefault("valid", True)  # of expectations, clients don't read it from a server
    return plain


if word == "make":
    make()
sys.stdout.write("\n" + json.dumps(tell()))
