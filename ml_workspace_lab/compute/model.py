"""What a compute target is, and what a run can ask of it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

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


class Capacity(Struct, frozen=True):
    """What a target has. `slots` is how many runs it is given at once; None where its engine keeps
    a queue of its own and takes them all."""

    slots: int | None
    nodes: list[Node]


class ComputeInfo(Struct, frozen=True):
    """A place where runs execute; `slots` is how many it takes at once."""

    name: str
    kind: Literal["local"]
    state: Literal["Running"]
    slots: int
    running: int
    queued: int
    cores: int
    memory_bytes: int
    available_memory_bytes: int
    load: float
    python: str


class ComputeList(Struct, frozen=True):
    items: list[ComputeInfo]
