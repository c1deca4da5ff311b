"""What a transfer did, and what it could not do."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.types import Key
from ml_workspace_lab.errors import shown

if TYPE_CHECKING:
    from ml_workspace_lab.experiments.points import Points
    from ml_workspace_lab.experiments.records import RunRecord

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Told how many are done, of how many: runs, and what else is transferred."""


def silent(done: int, total: int) -> None:
    """Progress that nobody looks at."""


class NotMapped(Struct, frozen=True):
    """Something that was left out or changed: what, whose, and why."""

    what: str
    id: str
    reason: str


class ImportReport(Struct):
    """What was added. `skipped` counts what was there already with the same content: runs, traces
    and the like. What was left out or changed is in `not_mapped`, one by one."""

    source: str
    experiments: int = 0
    runs: int = 0
    skipped: int = 0
    points: int = 0
    params: int = 0
    tags: int = 0
    lineage: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0
    logged_models: int = 0
    model_versions: int = 0
    traces: int = 0
    issues: int = 0
    scorers: int = 0
    evaluation_datasets: int = 0
    not_mapped: list[NotMapped] = field(default_factory=list)

    def count(self, record: "RunRecord", points: "Mapping[str, Points]") -> None:
        """Count a run that was added."""
        self.runs += 1
        self.points += sum(len(found[0]) for found in points.values())
        self.params += len(record.params)
        self.tags += len(record.tags)
        self.lineage += len(record.lineage)
        self.artifacts += len(record.artifacts)
        self.artifact_bytes += sum(one.size for one in record.artifacts)

    def leave_out(self, what: str, id_: object, reason: str) -> None:
        self.not_mapped.append(NotMapped(what, str(id_), reason))


def keep_fitting(
    values: Mapping[str, T], kind: Any, report: ImportReport, what: str, owner: str
) -> dict[str, T]:
    """Those of the named values that the workspace can keep under their names; `kind` is the type
    that the values must be of, None where they are what they should be."""
    found: dict[str, T] = {}
    for name, value in values.items():
        try:
            msgspec.convert(name, Key)
            if kind is not None:
                msgspec.convert(value, kind)
            found[name] = value
        except msgspec.ValidationError as error:
            report.leave_out(what, owner, f"{shown(name)}: {error}")
    return found


def fitting_name(name: str, limit: int, fallback: str) -> str:
    """The name, without what names can't have here."""
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name.strip())
    return (plain if len(plain) <= limit else f"{plain[: limit - 1]}…") or fallback


def batches(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
