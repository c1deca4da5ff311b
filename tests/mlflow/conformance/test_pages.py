"""What MLflow's own pages alone ask for: runs of prompts, and a gateway."""

import json
from typing import Any

import pytest

from tests.http import Answer
from tests.mlflow.conformance.target import Json, Target, invalid, missing, ok, pairs

PAGES = "/ajax-api/2.0/mlflow"
PROMPT: Json = {
    "prompt_template": "Say {{ word }}",
    "prompt_parameters": [{"key": "word", "value": "hello"}],
    "model_route": "a route",
    "model_parameters": [{"key": "temperature", "value": 0.1}],
    "model_input": "Say hello",
    "model_output": "hello",
    "model_output_parameters": [{"key": "latency", "value": 100}],
    "mlflow_version": "1.0.0",
}
REQUIRED = (
    "experiment_id",
    "prompt_template",
    "prompt_parameters",
    "model_route",
    "model_input",
    "mlflow_version",
)


def create(target: Target, **fields: Any) -> Answer:
    return target.post(f"{PAGES}/runs/create-promptlab-run", **fields)


def test_a_prompt_that_was_tried_is_a_run(target: Target) -> None:
    experiment_id = target.experiment()
    fields = {"run_name": "tried", "user_id": "somebody", "start_time": 456}
    run = ok(create(target, experiment_id=experiment_id, **PROMPT, **fields))["run"]
    info = run["info"]
    assert (info["run_name"], info["user_id"], info["start_time"]) == ("tried", "somebody", 456)
    assert (info["experiment_id"], info["status"]) == (experiment_id, "FINISHED")
    assert pairs(run["data"]["params"]) == {
        "model_route": "a route",
        "prompt_template": "Say {{ word }}",
        "temperature": "0.1",
    }
    tags = pairs(run["data"]["tags"])
    assert tags["mlflow.runSourceType"] == "PROMPT_ENGINEERING"
    logged = [{"path": "eval_results_table.json", "type": "table"}]
    assert json.loads(tags["mlflow.loggedArtifacts"]) == logged


def test_what_went_in_and_came_out_is_a_table(target: Target) -> None:
    run = ok(create(target, experiment_id=target.experiment(), **PROMPT))["run"]
    asked = {"run_id": run["info"]["run_id"], "path": "eval_results_table.json"}
    assert json.loads(target.get("/get-artifact", **asked).content) == {
        "columns": ["word", "prompt", "output", "latency"],
        "data": [["hello", "Say hello", "hello", "100"]],
    }


@pytest.mark.parametrize("name", REQUIRED)
def test_a_part_that_is_needed_is_named(target: Target, name: str) -> None:
    given = {"experiment_id": "0", **PROMPT}
    words = f"CreatePromptlabRun request must specify {name}."
    invalid(create(target, **{key: value for key, value in given.items() if key != name}), words)
    invalid(create(target, **{**given, name: [] if name == "prompt_parameters" else ""}), words)


def test_a_prompt_of_an_unknown_experiment(target: Target) -> None:
    missing(create(target, experiment_id="99999999", **PROMPT), "No Experiment with id=")


def test_there_is_no_gateway_with_endpoints(target: Target) -> None:
    asked = {"gateway_path": "api/2.0/endpoints/"}
    assert ok(target.get(f"{PAGES}/gateway-proxy", **asked)) == {"endpoints": []}
    assert ok(target.post(f"{PAGES}/gateway-proxy", **asked)) == {"endpoints": []}
    assert target.delete(f"{PAGES}/gateway-proxy").status in (404, 405)
