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
    Variable,
    Version,
    Word,
    text_like,
)
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.environments.model import EnvironmentReference

PlaceName = Annotated[
    str,
    text_like(
        r"^[A-Za-z_][A-Za-z0-9_]{0,99}$(?!\n)",
        "must be letters, digits and _, at most 100, the first no digit",
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
    """A Python script of the snapshot and its arguments, in which `${{parameters.NAME}}`,
    `${{inputs.NAME}}` and `${{outputs.NAME}}` stand for values and paths."""

    script: RelativePath
    arguments: list[Word] = field(default_factory=list)
    parameters: dict[PlaceName, Scalar] = field(default_factory=dict)


class CommandJob(Struct, frozen=True, forbid_unknown_fields=True, tag="command"):
    """A program and its arguments, started in the snapshot's folder without a shell; its words may
    hold `${{parameters.NAME}}`, `${{inputs.NAME}}` and `${{outputs.NAME}}`."""

    command: list[Word]
    parameters: dict[PlaceName, Scalar] = field(default_factory=dict)


Job = NotebookJob | ScriptJob | CommandJob


class RunInput(Struct, frozen=True, forbid_unknown_fields=True, tag="run"):
    """A file or folder among the artifacts of another run, as they are when this one begins."""

    run_id: RunId
    path: RelativePath = "outputs"


class ModelInput(Struct, frozen=True, forbid_unknown_fields=True, tag="model"):
    """The files of a registered model."""

    name: Name
    version: Version


class PathInput(Struct, frozen=True, forbid_unknown_fields=True, tag="path"):
    """A path or URL that the target reaches by itself; the run is given it as it is."""

    path: Annotated[Word, Meta(min_length=1)]


Input = RunInput | ModelInput | PathInput


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """A named place below `outputs/` that the run fills: a folder that is there, or a file."""

    kind: Literal["folder", "file"] = "folder"


class StagedFile(Struct, frozen=True):
    """A file that is laid out in the working folder beside the snapshot's."""

    path: str
    digest: str
    size: int


class Staging(Struct, frozen=True):
    """What a run finds beside its snapshot, and where its inputs are: paths below the working
    folder, or (`elsewhere`) as they were given."""

    files: list[StagedFile]
    places: dict[str, str]
    elsewhere: dict[str, str]


Cause = Literal["failed", "lost", "oom", "timeout"]
"""Why an attempt failed: its code did (`failed`), its runner ended without a report (`lost`:
killed, preempted, its node gone), the memory limit, the time limit."""


class Retry(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a run that failed is tried again: at most `max_attempts` times in all, where it
    failed for a cause in `on`. The second attempt waits `backoff_seconds`, each later one `factor`
    times as long as the one before."""

    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 1
    on: list[Cause] = field(default_factory=lambda: ["failed", "lost", "oom"])
    backoff_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 10.0
    factor: Annotated[float, Meta(ge=1, le=10)] = 2.0
    max_backoff_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 3600.0


class After(Struct, frozen=True, forbid_unknown_fields=True):
    """A run to wait for: until it is Completed, or just ended in whatever way. Where it fails and
    should have `succeeded`, the run that waits is Canceled."""

    run_id: RunId
    condition: Literal["succeeded", "ended"] = "succeeded"


class SubmitRun(Struct, frozen=True, forbid_unknown_fields=True):
    """A run for a compute target. A `run_id` made by the client makes a repeat harmless.

    `timeout_seconds` is at most a year. `environment` (NAME or NAME:VERSION, default: the newest)
    is what it runs in; else `python` is the interpreter that does the work, which must have this
    package (default: the target's own). Users take turns; of one user's runs the one of the
    highest `priority` is next, then the oldest. It finds the `outputs/` of the run `resume_from`
    in its own. `cold` asks for a new process, whatever has been started ahead.
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
    environment: EnvironmentReference | None = None
    resources: Resources = field(default_factory=Resources)
    retry: Retry = field(default_factory=Retry)
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    cold: bool = False
    after: Annotated[list[After], Meta(max_length=1000)] = field(default_factory=list)
    inputs: dict[PlaceName, Input] = field(default_factory=dict)
    outputs: dict[PlaceName, Output] = field(default_factory=dict)
    resume_from: RunId | None = None


class CancelRuns(Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs to cancel: all that are queued or go on, on this target, in this experiment."""

    compute_target: Name | None = None
    experiment: Name | None = None


class CanceledRuns(Struct, frozen=True):
    """How many runs were asked to end."""

    count: int


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
