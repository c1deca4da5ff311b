"""Runs beside each other: what differs between them, and what agrees."""

from collections.abc import Callable, Mapping, Sequence

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.experiments.model import RunInfo
from ml_workspace_lab.experiments.search.model import ComparedRow, RowKind, RunComparison

_ATTRIBUTES: dict[str, Callable[[RunInfo], Scalar]] = {
    "display_name": lambda run: run.display_name,
    "experiment": lambda run: run.experiment,
    "state": lambda run: str(run.state),
    "kind": lambda run: run.kind,
    "user": lambda run: run.user,
    "created": lambda run: run.created,
    "ended": lambda run: run.ended,
    "parent": lambda run: run.parent,
    "compute_target": lambda run: run.compute_target,
    "snapshot_id": lambda run: run.snapshot_id,
    "notebook": lambda run: run.notebook,
    "description": lambda run: run.description,
}


def compare(runs: Sequence[RunInfo]) -> RunComparison:
    """Rows of attributes, parameters, metrics (their last values), tags and properties."""
    groups: list[tuple[RowKind, list[Mapping[str, Scalar]]]] = [
        ("attribute", [{name: read(run) for name, read in _ATTRIBUTES.items()} for run in runs]),
        ("param", [run.params for run in runs]),
        ("metric", [{name: m.last for name, m in run.metrics.items()} for run in runs]),
        ("tag", [run.tags for run in runs]),
        ("property", [run.properties for run in runs]),
    ]
    return RunComparison(
        [run.run_id for run in runs],
        [row for kind, found in groups for row in _rows(kind, found)],
    )


def _rows(kind: RowKind, found: Sequence[Mapping[str, Scalar]]) -> list[ComparedRow]:
    names = dict.fromkeys(name for values in found for name in values)
    rows = []
    for name in names if kind == "attribute" else sorted(names):
        values = [each.get(name) for each in found]
        there = [name in each for each in found]
        same = all(there) and all(equal(value, values[0]) for value in values)
        rows.append(ComparedRow(kind, name, values, differs=not same))
    return rows


def equal(one: Scalar, other: Scalar) -> bool:
    """Equal, where True is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
