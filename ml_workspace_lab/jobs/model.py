"""What a job is: the work of a run that is handed to a compute target."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import (
    Digest,
    Key,
    Name,
    RelativePath,
    RunId,
    Scalar,
    Text,
    Word,
    text_like,
)

Variable = Annotated[
    str,
    text_like(
        r"^[^\x00-\x1f\x7f=]+$(?!\n)",
        "must be a variable's name: no `=`, no control characters",
        min_length=1,
        max_length=1024,
    ),
]
LONGEST = 365 * 24 * 60 * 60


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
    arguments: list[Word] = field(default_factory=list)


class CommandJob(Struct, frozen=True, forbid_unknown_fields=True, tag="command"):
    """A program and its arguments, started in the snapshot's folder without a shell."""

    command: list[Word]


Job = NotebookJob | ScriptJob | CommandJob


class SubmitRun(Struct, frozen=True, forbid_unknown_fields=True):
    """A run for a compute target. A `run_id` made by the client makes a repeat harmless.

    `timeout_seconds` is at most a year. `python` is the interpreter that does the work, which must
    have this package (default: the target's own).
    """

    job: Job
    snapshot_id: Digest
    run_id: RunId | None = None
    compute_target: Name = "local"
    display_name: Name | None = None
    parent: RunId | None = None
    tags: dict[Key, Text] = field(default_factory=dict)
    environment_variables: dict[Variable, Word] = field(default_factory=dict)
    timeout_seconds: Annotated[float, Meta(gt=0, le=LONGEST)] | None = None
    python: Word | None = None


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
