"""The vocabulary of runs: what a filter and an order may name."""

from collections.abc import Mapping

from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.experiments.search.vocabulary import Field, FieldKind, Vocabulary

_SPELLINGS = {
    "attribute": ("attributes", "attribute", "attr", "run"),
    "metric": ("metrics", "metric"),
    "param": ("params", "param", "parameters", "parameter"),
    "tag": ("tags", "tag"),
    "property": ("properties", "property"),
    "dataset": ("datasets", "dataset"),
}

_ATTRIBUTES: dict[str, tuple[FieldKind, tuple[str, ...]]] = {
    "run_id": ("text", ()),
    "run_name": ("text", ("Run name", "run name", "Run Name", "display_name", "name")),
    "number": ("number", ()),
    "status": ("text", ("state",)),
    "kind": ("text", ()),
    "experiment": ("text", ("experiment_name",)),
    "experiment_id": ("text", ()),
    "user_id": ("text", ("user", "User")),
    "start_time": ("time", ("created", "Created")),
    "end_time": ("time", ("ended",)),
    "started": ("time", ()),
    "duration": ("number", ()),
    "parent": ("text", ("parent_run_id",)),
    "compute_target": ("text", ()),
    "notebook": ("text", ()),
    "snapshot_id": ("text", ("snapshot",)),
    "reason": ("text", ()),
    "deleted": ("time", ()),
    "description": ("text", ()),
    "artifact_uri": ("text", ()),
}


def _fields(table: Mapping[str, tuple[FieldKind, tuple[str, ...]]]) -> dict[str, Field]:
    return {
        spelling: Field(name, kind)
        for name, (kind, others) in table.items()
        for spelling in (name, *others)
    }


RUNS = Vocabulary(
    spellings={word: entity for entity, words in _SPELLINGS.items() for word in words},
    fields={
        "attribute": _fields(_ATTRIBUTES),
        "dataset": _fields(dict.fromkeys(("name", "digest", "context"), ("text", ()))),
    },
    keyed={"metric": "number", "param": "either", "tag": "either", "property": "either"},
    measured=frozenset({"metric"}),
)

MLFLOW_WORDS: dict[RunState, str] = {
    RunState.COMPLETED: "FINISHED",
    RunState.FAILED: "FAILED",
    RunState.CANCELED: "KILLED",
    RunState.RUNNING: "RUNNING",
    RunState.FINALIZING: "RUNNING",
    RunState.CANCEL_REQUESTED: "RUNNING",
    RunState.NOT_RESPONDING: "RUNNING",
}
"""MLflow's word for a state; those that are not here are SCHEDULED."""


def words(state: RunState) -> tuple[str, str]:
    """The state's own word, and MLflow's."""
    return str(state), MLFLOW_WORDS.get(state, "SCHEDULED")
