"""A run of one prompt, as MLflow's page for prompts keeps what it has tried: parameters, and a
table of what went in and came out."""

import json
from io import BytesIO
from typing import Any

from msgspec import Struct, field

from ml_workspace_lab.api.types import Int64
from ml_workspace_lab.errors import InvalidInput, WorkspaceError
from ml_workspace_lab.experiments.model import EndRun, StartRun
from ml_workspace_lab.experiments.search.mirrored import NAME
from ml_workspace_lab.mlflow import entities, names, validation
from ml_workspace_lab.mlflow.answers import answer
from ml_workspace_lab.mlflow.entities import Pair
from ml_workspace_lab.mlflow.lookup import active_experiment, run
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.runs import whole
from ml_workspace_lab.mlflow.shelves import OfRun
from ml_workspace_lab.mlflow.wire import Request, Response

TABLE = "eval_results_table.json"
TAGS = {
    "mlflow.loggedArtifacts": json.dumps([{"path": TABLE, "type": "table"}]),
    "mlflow.runSourceType": "PROMPT_ENGINEERING",
}
REQUIRED = (
    "experiment_id",
    "prompt_template",
    "prompt_parameters",
    "model_route",
    "model_input",
    "mlflow_version",
)


class Given(Struct):
    """A parameter; its value may be a number."""

    key: str
    value: Any = ""


class Create(Struct):
    experiment_id: str = ""
    run_name: str = ""
    tags: list[Pair] = field(default_factory=list)
    prompt_template: str = ""
    prompt_parameters: list[Given] = field(default_factory=list)
    model_route: str = ""
    model_parameters: list[Given] = field(default_factory=list)
    model_input: str = ""
    model_output: str | None = None
    model_output_parameters: list[Given] = field(default_factory=list)
    mlflow_version: str = ""
    user_id: str = "unknown"
    start_time: Int64 | None = None


def create(request: Request) -> Response:
    """The run, which has ended. Without a gateway there is no model to keep with it."""
    call = body(request, Create)
    for name in REQUIRED:
        if not getattr(call, name):
            raise InvalidInput(f"CreatePromptlabRun request must specify {name}.", field=name)
    params = _params(call)
    info = active_experiment(request.connection, call.experiment_id)
    name = call.run_name or names.random_name()
    begun = StartRun(
        kind="external",
        created=call.start_time,
        display_name=name,
        user=call.user_id or None,
        params=dict(params),
        tags={**entities.by_key(call.tags), **TAGS, NAME: name},
    )
    made = request.connection.runs.start(info.name, begun)
    try:
        OfRun(request.connection, made.run_id).put(TABLE, BytesIO(_table(call)))
    except WorkspaceError:
        request.connection.runs.end(made.run_id, EndRun("Failed"))
        raise
    request.connection.runs.end(made.run_id, EndRun("Completed"))
    return answer(run=whole(request.connection, run(request.connection, made.run_id)))


def _params(call: Create) -> dict[str, str]:
    given = [
        *call.model_parameters,
        Given("model_route", call.model_route),
        Given("prompt_template", call.prompt_template),
    ]
    for index, one in enumerate(given):
        validation.check_key(one.key, f"params[{index}].key", "Param key")
    validation.check_batch(params=given)
    validation.check_unique(one.key for one in given)
    return {one.key: str(one.value) for one in given}


def _table(call: Create) -> bytes:
    """One row: the parameters of the prompt, the prompt, its answer, and what is said of that."""
    before, after = call.prompt_parameters, call.model_output_parameters
    columns = [*(one.key for one in before), "prompt", "output", *(one.key for one in after)]
    row = [
        *(str(one.value) for one in before),
        call.model_input,
        call.model_output,
        *(str(one.value) for one in after),
    ]
    return json.dumps({"columns": columns, "data": [row]}, ensure_ascii=False).encode()
