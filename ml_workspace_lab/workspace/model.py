"""What a workspace is."""

from typing import Annotated, Literal

from msgspec import Struct, field

from ml_workspace_lab.api.types import Key, Millis, Text, text_like

WorkspaceName = Annotated[
    str,
    text_like(
        r"^[A-Za-z0-9][A-Za-z0-9_-]*$(?!\n)",
        "must be letters (A-Z, a-z), digits, _ and -, the first a letter or digit",
        min_length=2,
        max_length=32,
    ),
]
"""Azure Machine Learning's rule: 2 to 32 letters, digits, `-` or `_`, the first alphanumeric."""


class WorkspaceInfo(Struct, frozen=True):
    """The top-level resource: everything else lives in one."""

    workspace_id: str
    name: str
    description: str
    location: str
    created: Millis
    edition: Literal["basic"]
    tags: dict[str, str]
    version: str


class CreateWorkspace(Struct, frozen=True, forbid_unknown_fields=True):
    name: WorkspaceName
    description: Text = ""
    tags: dict[Key, Text] = field(default_factory=dict)


class Finding(Struct, frozen=True):
    """One result of `diagnose`."""

    check: str
    level: Literal["Information", "Warning", "Error"]
    message: str
    hint: str = ""


class Diagnosis(Struct, frozen=True):
    items: list[Finding]


class Event(Struct, frozen=True):
    """One change of state. `subject` is the id of what changed, `kind` says what happened."""

    id: int
    time: Millis
    kind: str
    subject: str
    data: dict[str, str]


class LiveRun(Struct, frozen=True):
    """How much an active run has written: a change of a number says that there is more to read."""

    run_id: str
    metric_bytes: int
    log_bytes: int
    notebook_time: Millis


class EventBatch(Struct, frozen=True):
    """Events after the id that was asked for, in order, and the activity of runs not yet ended."""

    events: list[Event]
    live: list[LiveRun]
    next: int
