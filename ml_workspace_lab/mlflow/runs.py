"""The calls about runs: begin, read, change, end."""

from typing import Literal

from msgspec import Struct, field

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.api.types import Int64
from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.experiments.model import EndRun, RunInfo, RunState, StartRun, UpdateRun
from ml_workspace_lab.experiments.search.mirrored import NAME, NOTE
from ml_workspace_lab.experiments.search.runs import mlflow_word
from ml_workspace_lab.mlflow import entities, inputs, names, validation
from ml_workspace_lab.mlflow.answers import NOTHING, answer
from ml_workspace_lab.mlflow.entities import Pair
from ml_workspace_lab.mlflow.errors import invalid
from ml_workspace_lab.mlflow.lookup import (
    active_experiment,
    active_run,
    experiment_of,
    parent_in,
    run,
)
from ml_workspace_lab.mlflow.reading import body
from ml_workspace_lab.mlflow.wire import Request, Response
from ml_workspace_lab.mlflow.writers import WRITERS

End = Literal["Completed", "Failed", "Canceled"]
STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
"""In the order of their numbers, which begin at 1."""
ENDS: dict[str, End] = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled"}


class Create(Struct):
    experiment_id: str
    user_id: str = ""
    run_name: str = ""
    start_time: Int64 | None = None
    tags: list[Pair] = field(default_factory=list)


class ById(Struct):
    run_id: str


class Update(Struct):
    run_id: str
    status: str | int | None = None
    end_time: Int64 | None = None
    run_name: str = ""


def create(request: Request) -> Response:
    call = body(request, Create)
    for index, tag in enumerate(call.tags):
        validation.check_key(tag.key, f"tags[{index}].key")
    tags = entities.by_key(call.tags)
    tagged = tags.get(NAME, "")
    if call.run_name and tagged and call.run_name != tagged:
        raise InvalidInput(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different"
            f" values (run_name='{call.run_name}', mlflow.runName='{tagged}').",
            field="run_name",
        )
    info = active_experiment(request.connection, call.experiment_id)
    name = call.run_name or tagged or names.random_name()
    validation.check_run_name(name, "run_name" if call.run_name else NAME)
    start = StartRun(
        kind="external",
        created=call.start_time,
        display_name=name,
        user=call.user_id or None,
        parent=parent_in(request.connection, tags),
        tags={**tags, NAME: name},
    )
    made = request.connection.runs.start(info.name, start)
    if NOTE in tags:
        request.connection.runs.update(made.run_id, UpdateRun(description=tags[NOTE]))
    return answer(run=whole(request.connection, made))


def get(request: Request) -> Response:
    found = run(request.connection, body(request, ById).run_id)
    return answer(run=whole(request.connection, found))


def update(request: Request) -> Response:
    call = body(request, Update)
    status = _status(call.status)
    found = active_run(request.connection, call.run_id)
    if status is not None or call.end_time is not None:
        try:
            _move(request.connection, found, status, call.end_time)
        except Conflict:  # Another client was first; that is fine where it wanted the same.
            found = run(request.connection, call.run_id)
            if status != mlflow_word(found.state):
                raise
    if call.run_name:
        validation.check_run_name(call.run_name, "run_name")
        rename(request.connection, call.run_id, call.run_name)
    found = run(request.connection, call.run_id)
    number = experiment_of(request.connection, found).number
    return answer(run_info=entities.run_info(found, number))


def delete(request: Request) -> Response:
    found = run(request.connection, body(request, ById).run_id)
    if found.deleted is None:
        WRITERS.drop(found.run_id)
        request.connection.runs.delete(found.run_id)
    return NOTHING


def restore(request: Request) -> Response:
    found = run(request.connection, body(request, ById).run_id)
    if found.deleted is not None:
        request.connection.runs.restore(found.run_id)
    return NOTHING


def whole(connection: LocalConnection, found: RunInfo) -> entities.Run:
    """A run with all that the protocol says of it."""
    number = experiment_of(connection, found).number
    (links,) = inputs.of_runs(connection, [found.run_id])
    return entities.Run(entities.run_info(found, number), entities.run_data(found), *links)


def rename(connection: LocalConnection, run_id: str, name: str) -> None:
    """Give a run a name, mirrored in the tag that clients read it from."""
    connection.runs.update(run_id, UpdateRun(display_name=name, tags={NAME: name}))


def _move(
    connection: LocalConnection, found: RunInfo, status: str | None, ended: int | None
) -> None:
    """Bring a run to a status. One that has ended may be taken up again, and end otherwise."""
    present = mlflow_word(found.state)
    wanted = status or present
    if status == "RUNNING":
        ended = None  # Clients send the end along that the run had.
    if wanted == present and (ended is None or ended == found.ended):
        return
    if wanted not in ENDS and ended is not None:
        raise invalid("end_time", ended, f"a run that is {wanted} has not ended.")
    if wanted == "SCHEDULED":
        raise invalid("status", wanted, "runs are scheduled by the workspace alone.")
    if found.state.is_terminal:
        if found.kind != "external":
            raise _ended(found, wanted, status)
        connection.runs.reopen(found.run_id)
    if wanted in ENDS:
        WRITERS.drop(found.run_id)
        connection.runs.end(found.run_id, EndRun(ENDS[wanted], ended=ended))


def _ended(found: RunInfo, wanted: str, status: str | None) -> Conflict:
    """Why a run that no client of the protocol began stays as it has ended."""
    if status is None:
        return Conflict(f"Run {found.run_id} has an end already.", field="end_time")
    state = ENDS.get(wanted, RunState.RUNNING)
    return Conflict(
        f"Run {found.run_id} is {found.state} and can't become {state}.", field="status"
    )


def _status(given: str | int | None) -> str | None:
    if given is None:
        return None
    if isinstance(given, int) and 1 <= given <= len(STATUSES):
        return STATUSES[given - 1]
    if given not in STATUSES:
        raise invalid("status", given, f"it must be one of {', '.join(STATUSES)}.")
    return str(given)
