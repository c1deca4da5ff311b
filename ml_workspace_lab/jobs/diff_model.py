"""What differs between two runs."""

from typing import Literal

from msgspec import Struct, field

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.environments.model import PackageChange, ValueChange
from ml_workspace_lab.snapshots.differing import FileChange


class ParameterChange(Struct, frozen=True):
    """A parameter that is not the same in both runs; `only` names the side that has it at all."""

    name: str
    before: Scalar
    after: Scalar
    only: Literal["", "before", "after"] = ""


class RunDiff(Struct, frozen=True):
    """From the run `before` to the run `after`: how the work was asked for (`settings`), its
    parameters, the files it started from, and what it ran in. `notes` says what is not known, and
    what was not compared; `same` is False then, too."""

    before: str
    after: str
    same: bool
    settings: list[ValueChange] = field(default_factory=list)
    parameters: list[ParameterChange] = field(default_factory=list)
    files: list[FileChange] = field(default_factory=list)
    packages: list[PackageChange] = field(default_factory=list)
    environment: list[ValueChange] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
