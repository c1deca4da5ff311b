"""What a compute target is, and what a driver has to do for it."""

from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec import Struct


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


@dataclass(frozen=True)
class Handle:
    """How a target knows one attempt at a run: process id and its start time on `local`."""

    run_id: str
    attempt: int
    native_id: str


@dataclass(frozen=True)
class Probe:
    """What a target says of an attempt; `reason` is its own word on an end, shown as it is."""

    alive: bool
    reason: str = ""


class Driver(Protocol):
    """Starts, watches and ends attempts on one kind of target."""

    slots: int

    def submit(self, run_id: str, attempt: int, python: str | None = None) -> Handle:
        """Start the runner. A second one for the same attempt finds its lock taken and leaves."""
        ...

    def find(self, run_id: str, attempt: int) -> Handle | None:
        """The attempt, where a submission's answer was lost; None where it never began."""
        ...

    def poll(self, run_id: str, native_id: str) -> Probe: ...

    def cancel(self, native_id: str, *, force: bool) -> None:
        """Ask the runner to end the work or, with `force`, end it. Absent is success."""
        ...

    def sweep(self, run_id: str, attempt: int) -> int:
        """End every process that the attempt left behind; how many there were."""
        ...
