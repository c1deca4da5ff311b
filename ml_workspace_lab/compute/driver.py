"""What a driver has to do: the protocol between the dispatcher and one kind of compute target.

A driver says what its engine says and decides nothing: whether a run has ended, and how, is the
run's record. Its methods block; each target has a dispatcher thread of its own, so that an engine
which does not answer holds up no other. A driver keeps nothing that another one, made anew after a
crash, could not ask its engine for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from msgspec import Struct

from ml_workspace_lab.compute.model import Capacity, Problem, Resources

Capability = Literal[
    "memory_limit",  # a run over the memory that it asked for is ended, and no other
    "walltime",  # the engine ends a run at its time limit, also where its runner can't
    "gpu",
    "multi_node",
    "shared_fs",  # runners see the workspace's folder under the same path
    "engine_logs",
    "scaling",  # minimum and maximum of nodes are the engine's to keep
]

Prewarmed = Literal["", "runner", "kernel"]

LOG_TAIL = 65_536


class Phase(StrEnum):
    """What an engine knows of an attempt. `ABSENT`: it has no record, never had or not any more;
    `UNREACHABLE`: it did not answer, which says nothing about the attempt."""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"
    ABSENT = "absent"
    UNREACHABLE = "unreachable"


class Unreachable(Exception):
    """The engine did not answer: what was asked of it may have been done or not."""


class Refused(Exception):
    """The engine will not take this attempt, now or later; the message is its own word."""


@dataclass(frozen=True)
class Launch:
    """One attempt at a run, as an engine starts it.

    `argv` is the runner and its arguments, `environment` what is added to the target's own.
    `walltime_s` is the limit of the work itself; an engine that enforces it leaves the runner
    `grace_s` more to report. `labels` are for people who look at the engine. `prewarmed` is what
    may have been started ahead: nothing, a runner, or one with a Python kernel.
    """

    run_id: str
    attempt: int
    argv: Sequence[str]
    environment: Mapping[str, str]
    resources: Resources
    walltime_s: float | None
    grace_s: float
    labels: Mapping[str, str] = field(default_factory=dict)
    prewarmed: Prewarmed = ""

    @property
    def name(self) -> str:
        """What the engine should call it, so that it is found again by run and attempt."""
        return native_name(self.run_id, self.attempt)


@dataclass(frozen=True)
class Handle:
    """How an engine knows one attempt: a process id and its start time, the number of a job."""

    target: str
    native_id: str
    run_id: str
    attempt: int


@dataclass(frozen=True)
class Probe:
    """Evidence about one attempt. `reason` is the engine's own word, which users read as it is;
    `signal` is the one that ended the process, `cause` a limit that the engine enforced, `native`
    what it said beside (`stopped`: the process stands still). With `out_of_sight` the engine has
    given up a machine that it does not reach any more, and nobody knows what goes on there."""

    phase: Phase
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    cause: Literal["", "oom", "timeout"] = ""
    out_of_sight: bool = False
    native: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing of the attempt goes on, as far as the engine knows."""
        return self.phase in (Phase.ENDED, Phase.ABSENT)


class Driver(Protocol):
    """Starts, watches and ends attempts on one target. Every method but `probe` raises Unreachable
    where the engine does not answer."""

    settings_type: ClassVar[type[Struct]]
    """What an owner can set for a target of this kind, with defaults where there are any."""

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    def submit(self, launch: Launch) -> Handle:
        """Have the attempt started, now or when there is room. A repeat for the same run and
        attempt starts nothing and answers with the first one's handle, as long as the engine knows
        it. Raises Refused where it will never be taken."""
        ...

    def find(self, run_id: str, attempt: int) -> Handle | None:
        """The attempt, where a submission's answer was lost; None where the engine has none."""
        ...

    def probe(self, handles: Sequence[Handle]) -> dict[Handle, Probe]:
        """What the engine knows of each of them, asked in one call. Never raises Unreachable: that
        is a phase."""
        ...

    def cancel(self, handle: Handle, *, grace_s: float, force: bool = False) -> None:
        """Ask the runner to end the work (SIGTERM), or end it now with `force`. The caller comes
        back with `force` after the grace; an engine that does so by itself is told the time. One
        that is gone already is fine, and so is a repeat."""
        ...

    def sweep(self, handle: Handle) -> None:
        """End whatever the attempt has left behind on the target; called when it is over."""
        ...

    def engine_log(self, handle: Handle, tail_bytes: int = LOG_TAIL) -> bytes:
        """The end of what the attempt wrote outside its run's log: why a runner never began."""
        ...

    def check(self) -> list[Problem]:
        """What is missing before this target can be used; empty where nothing is."""
        ...

    def capacity(self) -> Capacity:
        """How much the target has, and its nodes."""
        ...


class DriverType(Protocol):
    """A class of drivers. Making one asks its engine nothing. `root` is the workspace's folder on
    this machine."""

    settings_type: ClassVar[type[Struct]]

    def __call__(self, target: str, settings: Any, root: Path) -> Driver: ...


def native_name(run_id: str, attempt: int) -> str:
    """A name for an attempt that every engine takes: 35 letters and digits, and dashes."""
    return f"ws-{run_id}-a{attempt}"
