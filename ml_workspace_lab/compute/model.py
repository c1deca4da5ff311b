"""What a compute target is, and what a run can ask of it."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ml_workspace_lab.api.types import Key, Millis, Name, Text, text_like

Cores = Annotated[float, Meta(gt=0, le=100_000)]
Bytes = Annotated[int, Meta(gt=0, le=2**53)]
Count = Annotated[int, Meta(ge=0, le=100_000)]


class Resources(Struct, frozen=True, forbid_unknown_fields=True):
    """What a run needs, on each of its nodes. Without `memory_bytes` it has no limit of its own."""

    cores: Cores = 1
    memory_bytes: Bytes | None = None
    gpus: Count = 0
    nodes: Annotated[int, Meta(ge=1, le=100_000)] = 1


class Problem(Struct, frozen=True):
    """Something that keeps a target from being used, and what to do about it."""

    message: str
    hint: str = ""


class Node(Struct, frozen=True):
    """A machine of a target; `state` is the engine's own word."""

    name: str
    state: str
    cores: float
    memory_bytes: int
    gpus: int = 0


class Scaling(Struct, frozen=True):
    """How many nodes an engine keeps by itself, as it is configured to: at least `min_nodes`, at
    most `max_nodes`; one that has nothing to do goes after `idle_seconds`."""

    min_nodes: int
    max_nodes: int
    idle_seconds: float


class Capacity(Struct, frozen=True):
    """What a target has. `slots` is how many runs it is given at once; None where its engine keeps
    a queue of its own and takes them all. `scaling` is None where the number of its nodes stays,
    or its engine does not say."""

    slots: int | None
    nodes: list[Node]
    scaling: Scaling | None = None


class Quotas(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a target this workspace uses at once; None is no limit of its own."""

    max_running: Count | None = None
    max_cores: Cores | None = None
    max_nodes: Count | None = None
    max_running_per_user: Count | None = None
    max_cores_per_user: Cores | None = None


WorkspaceUrl = Annotated[
    str,
    text_like(r"^(auto|https?://[^\s\x00-\x1f\x7f]{1,1000})$(?!\n)", "must be `auto` or a URL"),
]
"""How a target's machines reach the workspace: an address that it is served at, or `auto` for a
server that the background process starts. None: they share its folder, or `auto` where they can't.
"""


class ComputeInfo(Struct, frozen=True):
    """A place where runs execute, as the workspace's records have it; its engine is not asked.

    `slots` is how many runs it is given at once (None: its engine keeps a queue of its own);
    `state` is Unusable where the last look at the engine found `problems`. What a machine has is
    known of `local` only.
    """

    name: str
    kind: str
    state: Literal["Running", "Unusable"]
    slots: int | None
    running: int
    queued: int
    cores: float | None = None
    memory_bytes: int | None = None
    available_memory_bytes: int | None = None
    load: float | None = None
    python: str | None = None
    description: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    capabilities: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    workspace_url: str | None = None
    user: str | None = None
    created: Millis | None = None
    updated: Millis | None = None


class ComputeList(Struct, frozen=True):
    items: list[ComputeInfo]


class AttachCompute(Struct, frozen=True, forbid_unknown_fields=True):
    """A target for the workspace's runs. `settings` are of the kind's own type; with `unchecked` it
    is attached also where its engine is not usable now."""

    name: Name
    kind: Name
    settings: dict[str, Any] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)
    description: Text = ""
    tags: dict[Key, Text] = field(default_factory=dict)
    workspace_url: WorkspaceUrl | None = None
    unchecked: bool = False


class UpdateCompute(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change: settings and quotas are replaced whole, tags are set."""

    settings: dict[str, Any] | UnsetType = UNSET
    quotas: Quotas | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    workspace_url: WorkspaceUrl | UnsetType | None = UNSET
    tags: dict[Key, Text] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)


class NodeList(Struct, frozen=True):
    items: list[Node]


class ProblemList(Struct, frozen=True):
    items: list[Problem]


class ComputeKind(Struct, frozen=True):
    """A kind of target and the JSON Schema of its settings."""

    kind: str
    settings_schema: dict[str, Any]


class ComputeKindList(Struct, frozen=True):
    items: list[ComputeKind]


class ActiveRuns(Struct, frozen=True):
    """The ids of runs that wait for a target or are worked on there, in the order of submission."""

    run_ids: list[str]
