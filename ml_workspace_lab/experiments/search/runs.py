"""The vocabulary of runs: what a filter and an order may name."""

from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.experiments.search.vocabulary import (
    Attribute,
    Attributes,
    Vocabulary,
    fields,
    spellings,
)

_SPELLINGS = {
    "attribute": ("attributes", "attribute", "attr", "run"),
    "metric": ("metrics", "metric"),
    "param": ("params", "param", "parameters", "parameter"),
    "tag": ("tags", "tag"),
    "property": ("properties", "property"),
    "dataset": ("datasets", "dataset"),
}

ATTRIBUTES: Attributes = {
    "run_id": Attribute("text", "r.uid"),
    "run_name": Attribute(
        "text", "r.display_name", ("Run name", "run name", "Run Name", "display_name", "name")
    ),
    "number": Attribute("number", "r.number"),
    "status": Attribute("text", "r.state", ("state",)),
    "kind": Attribute("text", "r.kind"),
    "experiment": Attribute(
        "text", "(SELECT e.name FROM experiment e WHERE e.id = r.experiment)", ("experiment_name",)
    ),
    "experiment_id": Attribute("text", "CAST(r.experiment AS TEXT)"),
    "user_id": Attribute("text", 'r."user"', ("user", "User")),
    "start_time": Attribute("time", "r.created", ("created", "Created")),
    "end_time": Attribute("time", "r.ended", ("ended",)),
    "started": Attribute("time", "r.started"),
    "duration": Attribute("number", "(r.ended - coalesce(r.started, r.created))"),
    "parent": Attribute("text", "r.parent", ("parent_run_id",)),
    "compute_target": Attribute("text", "r.compute_target"),
    "notebook": Attribute("text", "r.notebook"),
    "snapshot_id": Attribute("text", "r.snapshot", ("snapshot",)),
    "reason": Attribute("text", "nullif(r.reason, '')"),
    "deleted": Attribute("time", "r.deleted"),
    "description": Attribute("text", "nullif(r.description, '')"),
    "artifact_uri": Attribute(
        "text", "('mlflow-artifacts:/' || r.experiment || '/' || r.uid || '/artifacts')"
    ),
}

RUNS = Vocabulary(
    spellings=spellings(_SPELLINGS),
    fields={
        "attribute": fields(ATTRIBUTES),
        "dataset": fields(dict.fromkeys(("name", "digest", "context"), Attribute("text"))),
    },
    keyed={"metric": "number", "param": "either", "tag": "either", "property": "either"},
    measured=frozenset({"metric"}),
)

_MLFLOW_WORDS: dict[RunState, str] = {
    RunState.COMPLETED: "FINISHED",
    RunState.FAILED: "FAILED",
    RunState.CANCELED: "KILLED",
    RunState.RUNNING: "RUNNING",
    RunState.FINALIZING: "RUNNING",
    RunState.CANCEL_REQUESTED: "RUNNING",
    RunState.NOT_RESPONDING: "RUNNING",
}


def mlflow_word(state: RunState) -> str:
    """MLflow's word for a state."""
    return _MLFLOW_WORDS.get(state, "SCHEDULED")


def words(state: RunState) -> tuple[str, str]:
    """The state's own word, and MLflow's."""
    return str(state), mlflow_word(state)
