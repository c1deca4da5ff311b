"""What an environment is: packages for an interpreter, under a name and in versions that stay."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import (
    Digest,
    Key,
    Millis,
    Name,
    RunId,
    Text,
    Variable,
    Word,
    text_like,
)
from ml_workspace_lab.environments.record import EnvironmentRecord

EnvironmentName = Annotated[
    str,
    text_like(
        r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)",
        "must be of letters, digits, `.`, `_` and `-`, and begin with a letter or digit",
        min_length=1,
        max_length=255,
    ),
]
EnvironmentReference = Annotated[
    str,
    text_like(
        r"^[A-Za-z0-9][A-Za-z0-9._-]*(:[1-9][0-9]{0,8})?$(?!\n)",
        "must be NAME or NAME:VERSION of an environment",
        min_length=1,
        max_length=270,
    ),
]
PythonVersion = Annotated[
    str,
    text_like(r"^3\.[0-9]{1,3}(\.[0-9]{1,3})?$(?!\n)", "must be a version such as 3.11 or 3.11.7"),
]
Line = Annotated[
    str,
    text_like(
        r"^[^\x00-\x1f\x7f]+$(?!\n)",
        "must not hold control characters",
        min_length=1,
        max_length=20_000,
    ),
]
Lines = Annotated[list[Line], Meta(max_length=5_000)]


class PipRequirements(Struct, frozen=True, forbid_unknown_fields=True, tag="pip"):
    """Requirements (PEP 508), one a line; those that name an address instead of a version only
    where `allow_urls` has the package's name. Default of `python_version`: the workspace's own."""

    requirements: Lines
    python_version: PythonVersion | None = None
    allow_urls: list[Name] = field(default_factory=list)


class CondaSpecification(Struct, frozen=True, forbid_unknown_fields=True, tag="conda"):
    """What conda's `environment.yml` says: `dependencies` are conda's, `pip` those below `pip:`."""

    dependencies: Lines
    pip: Lines = field(default_factory=list)
    channels: list[Line] = field(default_factory=list)
    allow_urls: list[Name] = field(default_factory=list)


class KernelEnvironment(Struct, frozen=True, forbid_unknown_fields=True, tag="kernel"):
    """What a kernel had when it was captured. Its interpreter is used for as long as it still has
    exactly that; else the same versions are installed."""

    record: EnvironmentRecord


class ExistingPython(Struct, frozen=True, forbid_unknown_fields=True, tag="existing"):
    """An interpreter of the workspace's machine that somebody else takes care of, used as it is.
    It must have this package."""

    python: Word


Specification = PipRequirements | CondaSpecification | KernelEnvironment | ExistingPython
EnvironmentKind = Literal["pip", "conda", "kernel", "existing"]


class RegisterEnvironment(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of an environment. `environment_variables` are set for its runs, below the run's
    own."""

    specification: Specification
    description: Text = ""
    tags: dict[Key, Text] = field(default_factory=dict)
    environment_variables: dict[Variable, Word] = field(default_factory=dict)


class Lock(Struct, frozen=True, forbid_unknown_fields=True):
    """Every package with its version and the hashes of its files, as pip reads it; for one
    platform and the interpreter `python`. `notes` say what could not be kept."""

    text: str
    python: str
    python_version: str
    platform: str
    tool: str
    packages: int
    digest: Digest
    notes: list[str] = field(default_factory=list)


class EnvironmentVersion(Struct, frozen=True):
    """A version of an environment, which never changes. `lock` is None where it has none (yet):
    an existing interpreter, a kernel's environment that was not built anew."""

    name: str
    version: int
    kind: EnvironmentKind
    specification: Specification
    digest: str
    description: str
    tags: dict[str, str]
    environment_variables: dict[str, str]
    lock: Lock | None
    user: str
    created: Millis


class EnvironmentVersionList(Struct, frozen=True):
    items: list[EnvironmentVersion]


class EnvironmentSummary(Struct, frozen=True):
    """A version at a glance."""

    name: str
    version: int
    kind: EnvironmentKind
    packages: int | None
    python_version: str | None
    description: str
    created: Millis

    @classmethod
    def of(cls, found: EnvironmentVersion) -> "EnvironmentSummary":
        packages = python = None
        if found.lock is not None:
            packages, python = found.lock.packages, found.lock.python_version
        elif isinstance(found.specification, KernelEnvironment):
            record = found.specification.record
            packages, python = len(record.packages), record.python_version
        return cls(
            name=found.name,
            version=found.version,
            kind=found.kind,
            packages=packages,
            python_version=python,
            description=found.description,
            created=found.created,
        )


class EnvironmentList(Struct, frozen=True):
    items: list[EnvironmentSummary]


BuildState = Literal["absent", "building", "ready", "failed", "unneeded"]


class BuildInfo(Struct, frozen=True):
    """What there is on disk of an environment. `unneeded`: an interpreter that is there is used.
    `reason` says why it failed or what goes on; `log` is the end of what the tools said."""

    state: BuildState
    key: str | None = None
    python: str | None = None
    reason: str = ""
    log: str = ""
    bytes: int = 0
    seconds: float | None = None


class StoredBuild(Struct, frozen=True):
    """A build in the cache; `used` is when a run last began with it."""

    key: str
    path: str
    bytes: int
    created: Millis
    used: Millis
    in_use: bool
    environments: list[str]


class StoredBuilds(Struct, frozen=True):
    items: list[StoredBuild]
    folder: str
    bytes: int


class CollectBuilds(Struct, frozen=True, forbid_unknown_fields=True):
    """Which builds may go: those that no run has begun with for so many days, and with
    `unreferenced` only those of no version that is still there."""

    unused_days: Annotated[float, Meta(ge=0, le=36_500)] = 30.0
    unreferenced: bool = False


class CollectedBuilds(Struct, frozen=True):
    """What went, with half-made ones that nobody works on, and the bytes that it took up."""

    removed: list[str]
    leftovers: int
    bytes: int
    kept: int


class RunEnvironment(Struct, frozen=True):
    """What a run ran in: the registered environment, if any, and what was found."""

    run_id: RunId
    name: str | None
    version: int | None
    digest: str | None
    record: EnvironmentRecord | None


class RecordRunEnvironment(Struct, frozen=True, forbid_unknown_fields=True):
    record: EnvironmentRecord


class PackageChange(Struct, frozen=True):
    """A package that is not the same on both sides; None where one side lacks it."""

    name: str
    before: str | None
    after: str | None


class ValueChange(Struct, frozen=True):
    """Something else that is not the same: the interpreter, a variable, the GPU's driver."""

    name: str
    before: str | None
    after: str | None


class EnvironmentDiff(Struct, frozen=True):
    """From `before` to `after`. `same` where nothing recorded differs; `unknown` names the runs of
    which nothing is recorded."""

    before: str
    after: str
    same: bool
    packages: list[PackageChange]
    values: list[ValueChange]
    unknown: list[str] = field(default_factory=list)
