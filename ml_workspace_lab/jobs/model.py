"""What a job is: the work of a run that is handed to a compute target."""

from typing import Literal

from msgspec import Struct, field

from ml_workspace_lab.api.types import Digest, Key, Name, RelativePath, RunId, Scalar, Text


class NotebookJob(Struct, frozen=True, forbid_unknown_fields=True, tag="notebook"):
    """A notebook of the snapshot; `parameters` go into the cell tagged `parameters`.

    With `only_cell` the run is of that one cell (`%%ws_run`).
    """

    notebook: RelativePath
    parameters: dict[Key, Scalar] = field(default_factory=dict)
    kernel_name: Text | None = None
    only_cell: bool = False


class ScriptJob(Struct, frozen=True, forbid_unknown_fields=True, tag="script"):
    """A Python script of the snapshot and its arguments."""

    script: RelativePath
    arguments: list[Text] = field(default_factory=list)


class CommandJob(Struct, frozen=True, forbid_unknown_fields=True, tag="command"):
    """A program and its arguments, started in the snapshot's folder without a shell."""

    command: list[Text]


Job = NotebookJob | ScriptJob | CommandJob


class SubmitRun(Struct, frozen=True, forbid_unknown_fields=True):
    """A run for a compute target. A `run_id` made by the client makes a repeat harmless.

    `python` is the interpreter that does the work, which must have this package (default: the
    target's own).
    """

    job: Job
    snapshot_id: Digest
    run_id: RunId | None = None
    compute_target: Name = "local"
    display_name: Name | None = None
    parent: RunId | None = None
    tags: dict[Key, Text] = field(default_factory=dict)
    environment_variables: dict[Key, Text] = field(default_factory=dict)
    timeout_seconds: float | None = None
    python: Text | None = None


JobKind = Literal["notebook", "cell", "script", "command"]


def kind_of(job: Job) -> JobKind:
    match job:
        case NotebookJob(only_cell=True):
            return "cell"
        case NotebookJob():
            return "notebook"
        case ScriptJob():
            return "script"
        case CommandJob():
            return "command"
