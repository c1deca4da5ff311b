"""What a profile of a version is."""

from typing import Annotated

from msgspec import Meta, Struct

from ml_workspace_lab.api.types import Digest, Millis, Text

Count = Annotated[int, Meta(ge=0, le=2**53)]
Measure = Annotated[float, Meta(ge=0, le=1e15)]
"""A number that was measured: finite, and not below 0."""


class Level(Struct, frozen=True, forbid_unknown_fields=True):
    """One scoring process that is asked over `concurrency` connections, each with one request at a
    time: what half, 95 and 99 of 100 requests take at most, in milliseconds; `cores` is the
    processor time that it takes in a second, `waited_cores` what it had to wait for while other
    programs had the processors (0 where the system does not tell)."""

    concurrency: Count
    requests: Count
    requests_per_second: Measure
    p50_ms: Measure
    p95_ms: Measure
    p99_ms: Measure
    cores: Measure
    waited_cores: Measure = 0


class Workers(Struct, frozen=True, forbid_unknown_fields=True):
    """What so many scoring processes answer together, asked over more connections than they are."""

    workers: Count
    requests_per_second: Measure
    cores: Measure
    waited_cores: Measure = 0


class Machine(Struct, frozen=True, forbid_unknown_fields=True):
    """Where it was measured; `busy_cores` is what other programs took meanwhile."""

    system: Text
    python: Text
    cores: Count
    memory_bytes: Count
    busy_cores: Measure


class Measured(Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured of a version's scoring process: `engine` is what answers, `sample` the body
    that it is asked with; `start_seconds` pass until it answers, `resident_mib` it takes in memory
    then, `peak_mib` at most while it is asked. `reason` says in words why so many workers are
    recommended."""

    engine: Text
    has_script: bool
    sample: Text
    start_seconds: Measure
    resident_mib: Measure
    peak_mib: Measure
    levels: Annotated[list[Level], Meta(min_length=1, max_length=100)]
    workers: Annotated[list[Workers], Meta(min_length=1, max_length=100)]
    recommended_workers: Annotated[int, Meta(ge=1, le=100_000)]
    reason: Text
    machine: Machine


class KeepProfile(Struct, frozen=True, forbid_unknown_fields=True):
    """What a process of the caller's measured of a version with that `content`."""

    content: Digest
    measured: Measured


class Profile(Struct, frozen=True):
    """The profile that was measured last of a version with that content, when and by whom."""

    name: str
    version: int
    content: str
    measured: Measured
    created: Millis
    user: str
