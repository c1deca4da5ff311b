"""`python flows.py NAME`: what users of a stock MLflow client do with models, prompts and traces.

Runs in an environment that has a client and nothing of ours; a failed assertion is a failed test.
"""

import contextlib
import json
import os
import sys

import mlflow
from mlflow import MlflowClient

NEW = int(mlflow.__version__.partition(".")[0]) >= 3
client = MlflowClient()


class Doubler(mlflow.pyfunc.PythonModel):
    """The smallest model there is."""

    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input]


def log(**words):
    """Log the model to a run, registered where `words` say so; the run's id."""
    with mlflow.start_run() as run:
        place = {"name": "model"} if NEW else {"artifact_path": "model"}
        mlflow.pyfunc.log_model(
            python_model=Doubler(), pip_requirements=["mlflow"], **place, **words
        )
    return run.info.run_id


def registry():
    """A model is registered in each of the ways there are, and comes back by each name it has."""
    run_id = log(registered_model_name="doubler")
    version = client.get_model_version("doubler", "1")
    assert (version.run_id, version.status, version.version) == (run_id, "READY", "1")
    second = mlflow.register_model(f"runs:/{run_id}/model", "doubler", tags={"k": "v"})
    assert (second.version, second.tags) == ("2", {"k": "v"})
    client.set_registered_model_alias("doubler", "champion", "2")
    if not NEW:
        client.transition_model_version_stage("doubler", 1, "Production")
        assert mlflow.pyfunc.load_model("models:/doubler/Production").predict([1]) == [2]
    # The versions' files are their own: the run's may go.
    client.delete_run(run_id)
    for uri in ("models:/doubler/1", "models:/doubler@champion", "models:/doubler/latest"):
        assert mlflow.pyfunc.load_model(uri).predict([2, 3]) == [4, 6], uri
    copied = client.copy_model_version("models:/doubler/2", "a copy: no".replace(":", ""))
    assert copied.version == "1"
    assert mlflow.pyfunc.load_model("models:/a copy no/1").predict([5]) == [10]
    assert {m.name for m in client.search_registered_models()} == {"doubler", "a copy no"}
    found = client.search_model_versions("name = 'doubler' and tags.k = 'v'")
    assert [v.version for v in found] == ["2"]
    client.update_model_version("doubler", "2", description="words")
    assert client.get_model_version_by_alias("doubler", "champion").description == "words"
    client.delete_registered_model_alias("doubler", "champion")
    client.rename_registered_model("doubler", "twice")
    client.delete_model_version("twice", "1")
    client.delete_registered_model("a copy no")
    assert [m.name for m in client.search_registered_models()] == ["twice"]


def prompts():
    """A prompt is kept with its versions and aliases, and is not among the models."""
    genai = mlflow.genai
    first = genai.register_prompt("hello", "Hi {{name}}", commit_message="first", tags={"a": "b"})
    genai.register_prompt("hello", [{"role": "user", "content": "Dear {{name}}"}])
    assert (first.version, genai.load_prompt("hello", version=1).format(name="A")) == (1, "Hi A")
    assert genai.load_prompt("prompts:/hello@latest").version == 2
    genai.set_prompt_alias("hello", "prod", 1)
    assert genai.load_prompt("prompts:/hello@prod").commit_message == "first"
    assert [p.name for p in genai.search_prompts()] == ["hello"]
    assert client.search_registered_models() == []
    genai.set_prompt_version_tag("hello", 1, "k", "v")
    assert genai.load_prompt("hello", version=1).tags["k"] == "v"


def traces():
    """A traced call is found, read, assessed and deleted."""

    @mlflow.trace(span_type="LLM")
    def inner(x):
        return x + 1

    @mlflow.trace
    def outer(x):
        mlflow.update_current_trace(tags={"k": "v"})
        return inner(x) * 2

    @mlflow.trace
    def failing():
        raise ValueError("no")

    assert outer(3) == 8
    with contextlib.suppress(ValueError):
        failing()
    mlflow.flush_trace_async_logging()
    (trace,) = mlflow.search_traces(filter_string="trace.status = 'OK'", return_type="list")
    spans = {span.name: span for span in trace.data.spans}
    assert (spans["outer"].inputs, spans["outer"].outputs) == ({"x": 3}, 8)
    assert spans["inner"].span_type == "LLM"
    assert spans["inner"].parent_id == spans["outer"].span_id
    assert (trace.info.tags["k"], trace.info.request_preview) == ("v", '{"x": 3}')
    for text in (
        "span.type = 'LLM'",
        "tags.k = 'v'",
        "trace.name = 'outer'",
        "span.name = 'inner'",
    ):
        assert len(mlflow.search_traces(filter_string=text, return_type="list")) == 1, text
    assert len(mlflow.search_traces(return_type="list", order_by=["timestamp_ms ASC"])) == 2
    trace_id = trace.info.trace_id
    feedback = mlflow.log_feedback(trace_id=trace_id, name="good", value=True, rationale="since")
    wanted = mlflow.log_expectation(trace_id=trace_id, name="want", value={"a": [1]})
    assert mlflow.get_assessment(trace_id, wanted.assessment_id).value == {"a": [1]}
    mlflow.override_feedback(trace_id=trace_id, assessment_id=feedback.assessment_id, value=0.5)
    mlflow.delete_assessment(trace_id=trace_id, assessment_id=wanted.assessment_id)
    given = mlflow.get_trace(trace_id).info.assessments
    assert sorted((one.value, one.valid) for one in given) == [(0.5, True), (True, False)]
    with mlflow.start_run() as run:
        outer(1)
    mlflow.flush_trace_async_logging()
    assert len(mlflow.search_traces(run_id=run.info.run_id, return_type="list")) == 1
    experiment_id = trace.info.experiment_id
    assert client.delete_traces(experiment_id=experiment_id, trace_ids=[trace_id]) == 1


def issues():
    """A problem is written down, traces say that they have it, and it is solved."""
    from mlflow.entities.issue import IssueSeverity, IssueStatus
    from mlflow.tracing.client import TracingClient

    experiment = mlflow.set_experiment("chat").experiment_id
    made = TracingClient()._create_issue(
        experiment, "slow", "It takes long.", severity=IssueSeverity.LOW, root_causes=["network"]
    )
    TracingClient()._create_issue(experiment, "wrong", "It errs.")

    @mlflow.trace
    def ask(question):
        return question.upper()

    ask("one")
    ask("two")
    mlflow.flush_trace_async_logging()
    trace_id = mlflow.get_last_active_trace_id()
    said = mlflow.log_issue(trace_id=trace_id, issue_id=made.issue_id)
    assert (said.name, said.issue.issue_name) == (made.issue_id, "slow")
    text = f"issue.id = '{made.issue_id}'"
    (trace,) = mlflow.search_traces(filter_string=text, return_type="list")
    assert trace.info.trace_id == trace_id
    store = client._tracking_client.store
    found = store.search_issues(experiment, include_trace_count=True)
    assert [(one.name, one.trace_count) for one in found] == [("slow", 1), ("wrong", 0)]
    assert (found[0].severity, found[0].root_causes) == (IssueSeverity.LOW, ["network"])
    solved = store.update_issue(made.issue_id, status=IssueStatus.RESOLVED)
    assert store.search_issues(filter_string="status = 'resolved'") == [solved]
    assert store.get_issue(made.issue_id) == solved


def evaluation():
    """A dataset is filled by hand and with traces, found again, and evaluated with a scorer that is
    registered."""
    from mlflow.entities import Feedback
    from mlflow.genai import datasets, scorers

    experiment = mlflow.set_experiment("evaluated").experiment_id
    dataset = datasets.create_dataset("qa", experiment_id=experiment, tags={"team": "ml"})
    dataset.merge_records(
        [
            {"inputs": {"question": "one"}, "expectations": {"answer": "ONE"}},
            {"inputs": {"question": "two"}, "expectations": {"answer": "other"}},
        ]
    )

    @mlflow.trace
    def ask(question):
        return question.upper()

    ask("three")
    mlflow.flush_trace_async_logging()
    dataset.merge_records(mlflow.search_traces(locations=[experiment]))
    dataset.merge_records([{"inputs": {"question": "one"}, "expectations": {"more": 1}}])
    found = datasets.get_dataset(name="qa")
    assert (found.dataset_id, found.tags["team"]) == (dataset.dataset_id, "ml")
    assert found.experiment_ids == [experiment]
    frame = found.to_df()
    assert list(frame["source_type"]) == ["HUMAN", "HUMAN", "TRACE"]
    assert frame["expectations"][0] == {"answer": "ONE", "more": 1}
    assert frame["outputs"][2] == "THREE"
    assert json.loads(found.profile) == {"num_records": 3}

    @scorers.scorer
    def right(outputs, expectations):
        return Feedback(value=outputs == expectations.get("answer"))

    done = mlflow.genai.evaluate(data=found, predict_fn=ask, scorers=[right])
    assert done.metrics["right/mean"] == 1 / 3
    assert found.delete_records([frame["dataset_record_id"][0]]) == 1
    assert len(datasets.get_dataset(dataset_id=found.dataset_id).to_df()) == 2
    other = client.create_experiment("other")
    datasets.add_dataset_to_experiments(found.dataset_id, [other])
    datasets.remove_dataset_from_experiments(found.dataset_id, [experiment])
    (listed,) = datasets.search_datasets(experiment_ids=other, filter_string="tags.team = 'ml'")
    assert listed.experiment_ids == [other]
    datasets.set_dataset_tags(found.dataset_id, {"team": "data"})
    datasets.delete_dataset_tag(found.dataset_id, "mlflow.user")
    assert datasets.get_dataset(name="qa").tags["team"] == "data"
    datasets.delete_dataset(dataset_id=found.dataset_id)
    assert datasets.search_datasets() == []

    judge = scorers.Guidelines(name="polite", guidelines="Be polite.", model="openai:/gpt-4.1-mini")
    assert judge.register(experiment_id=experiment).name == "polite"
    kept = scorers.get_scorer(name="polite", experiment_id=experiment)
    assert (kept.guidelines, kept.model) == ("Be polite.", "openai:/gpt-4.1-mini")
    judge.register(experiment_id=experiment)
    assert [one.name for one in scorers.list_scorers(experiment_id=experiment)] == ["polite"]
    store = client._tracking_client.store
    versions = store.list_scorer_versions(experiment, "polite")
    assert [one.scorer_version for one in versions] == [1, 2]
    scorers.delete_scorer(name="polite", experiment_id=experiment, version="all")
    assert scorers.list_scorers(experiment_id=experiment) == []


def parts():
    """A large file goes in parts, on a server that offers it without being told to, and back."""
    with open("large.bin", "wb") as file:  # noqa: PTH123 - a script for old clients
        file.write(os.urandom(8_000_000))
    with mlflow.start_run() as run:
        mlflow.log_artifact("large.bin", "deep/er")
    assert [f.file_size for f in client.list_artifacts(run.info.run_id, "deep/er")] == [8_000_000]
    back = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="deep/er/large.bin"
    )
    with open(back, "rb") as got, open("large.bin", "rb") as sent:  # noqa: PTH123
        assert got.read() == sent.read()


def webhooks():
    """A webhook is set up, tried, changed, and tells of what happens next."""
    made = client.create_webhook(
        name="hook", url=os.environ["RECEIVER"], secret="s3cret",
        events=["registered_model.created", "model_version_tag.set"],
    )  # fmt: skip
    assert made.secret is None
    assert [str(event) for event in client.get_webhook(made.webhook_id).events]
    tried = client.test_webhook(made.webhook_id)
    assert (tried.success, tried.response_status) == (True, 200)
    changed = client.update_webhook(made.webhook_id, description="changed")
    assert (changed.description, len(client.list_webhooks())) == ("changed", 1)
    client.create_registered_model("told")


if __name__ == "__main__":
    name = sys.argv[1]
    mlflow.set_experiment(name)
    globals()[name]()
