"""What is told of a version beside its record, and of two versions beside each other."""

from msgspec import Struct

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.experiments.lineage import LineageEntry
from ml_workspace_lab.models.model import ModelVersion
from ml_workspace_lab.models.profiles.model import Profile


class ModelCard(Struct, frozen=True):
    """A version with all that leads to it and from it: the run that made it, with its parameters,
    the last values of its metrics and what it read; the signature as `name: type`; the endpoints
    that serve it; what it takes and gives when it is served, where that was measured. `notes` tell
    what is not known, and why."""

    version: ModelVersion
    model_description: str
    run_number: int | None
    run_name: str | None
    params: dict[str, Scalar]
    metrics: dict[str, str]
    datasets: list[LineageEntry]
    signature: dict[str, list[str]]
    endpoints: list[str]
    profile: Profile | None
    notes: list[str]


class Change(Struct, frozen=True):
    """One thing that differs; None where one side has none."""

    name: str
    before: str | None
    after: str | None


class ModelDiff(Struct, frozen=True):
    """What differs between two versions, both named as NAME:VERSION. `notes` tell what is not
    known of either."""

    before: str
    after: str
    facts: list[Change]
    params: list[Change]
    metrics: list[Change]
    signature: list[Change]
    files: list[Change]
    notes: list[str]
