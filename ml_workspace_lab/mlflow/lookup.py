"""Finding what a call names, in the words that clients look for where it isn't there."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.errors import Denied, InvalidInput, NotFound
from ml_workspace_lab.experiments.ids import is_run_id
from ml_workspace_lab.experiments.model import ExperimentInfo, RunInfo
from ml_workspace_lab.experiments.search.mirrored import PARENT

_EXPERIMENT_ID = re.compile(r"-?[0-9]{1,1000}")


def is_experiment_id(text: str) -> bool:
    """Whether it is a number in ASCII digits, as the protocol writes ids; whether there is such an
    experiment, it does not say."""
    return _EXPERIMENT_ID.fullmatch(text) is not None


def experiment_number(experiment_id: str) -> int:
    """Raises InvalidInput where the id is not a number."""
    if not is_experiment_id(experiment_id):
        raise InvalidInput(
            f"Invalid experiment ID '{experiment_id[:80]}'. Experiment ID must be a valid integer.",
            field="experiment_id",
        )
    return int(experiment_id)


def experiment(connection: LocalConnection, experiment_id: str) -> ExperimentInfo:
    """The experiment of that id, in the trash or not. Number 0, which clients count on, is made
    when it is first asked for."""
    number = experiment_number(experiment_id)
    found = connection.experiments.list("all", number).items if 0 <= number < 2**63 else []
    if found:
        return found[0]
    if number == 0:
        with suppress(Denied):  # Who may only read can't make it, and doesn't find it.
            return connection.experiments.default()
    raise NotFound(f"No Experiment with id={number} exists", field="experiment_id")


def experiment_names(connection: LocalConnection, experiment_ids: Iterable[str]) -> list[str]:
    """The names of those of the experiments that there are, in the trash or not."""
    numbers = {experiment_number(one) for one in experiment_ids}
    known = connection.experiments.list("all").items
    return [one.name for one in known if one.number in numbers]


def active_experiment(connection: LocalConnection, experiment_id: str) -> ExperimentInfo:
    found = experiment(connection, experiment_id)
    if found.deleted is not None:
        raise InvalidInput(
            f"The experiment {found.number} must be in the 'active' state. Current state is"
            " deleted.",
            field="experiment_id",
        )
    return found


def parent_in(connection: LocalConnection, tags: Mapping[str, str]) -> str | None:
    """The run that tags name as the parent, where it is here."""
    try:
        return run(connection, tags.get(PARENT, "")).run_id
    except NotFound:
        return None


def run(connection: LocalConnection, run_id: str) -> RunInfo:
    """The run of that id, in the trash or not."""
    if not is_run_id(run_id):
        raise no_run(run_id)
    try:
        return connection.runs.get(run_id)
    except NotFound:
        raise no_run(run_id) from None


def active_run(connection: LocalConnection, run_id: str) -> RunInfo:
    found = run(connection, run_id)
    if found.deleted is not None:
        raise InvalidInput(
            f"The run {run_id} must be in the 'active' state. Current state is deleted.",
            field="run_id",
        )
    return found


def no_run(run_id: str) -> NotFound:
    return NotFound(f"Run with id={run_id[:80]} not found", field="run_id")


def experiment_of(connection: LocalConnection, of: RunInfo) -> ExperimentInfo:
    """The experiment that a run belongs to."""
    found: ExperimentInfo = connection.experiments.get(of.experiment)
    return found
