"""What an experiment has beside its runs, kind by kind: how each is found, read and written."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from msgspec import Struct

from ml_workspace_lab.evaluation import moving as evaluation
from ml_workspace_lab.models import records as models
from ml_workspace_lab.storage.database import Queries, Transaction
from ml_workspace_lab.tracing import moving as tracing


class Kind(NamedTuple):
    """One kind of thing: `field` names it in lists and reports, `what` in words. Its functions are
    given an experiment's number, and what such a thing is known by."""

    field: str
    what: str
    record: type[Struct]
    listed: Callable[[Queries, int], list[str]]
    read: Callable[[Queries, int, str], Struct | None]
    write: Callable[[Transaction, int, Any], object]
    join: Callable[[Transaction, int, str], None] | None = None
    """Lets another experiment have it too, where several can."""


KINDS = (
    Kind(
        "logged_models",
        "logged model",
        models.LoggedModelRecord,
        models.logged_without_run,
        models.read_one_logged,
        models.write_one_logged,
    ),
    Kind(
        "traces",
        "trace",
        tracing.TraceRecord,
        tracing.traces,
        tracing.read_trace,
        tracing.write_trace,
    ),
    Kind(
        "issues",
        "issue",
        tracing.IssueRecord,
        tracing.issues,
        tracing.read_issue,
        tracing.write_issue,
    ),
    Kind(
        "scorers",
        "scorer",
        evaluation.ScorerRecord,
        evaluation.scorers,
        evaluation.read_scorer,
        evaluation.write_scorer,
    ),
    Kind(
        "evaluation_datasets",
        "evaluation dataset",
        evaluation.DatasetRecord,
        evaluation.datasets,
        evaluation.read_dataset,
        evaluation.write_dataset,
        evaluation.join_dataset,
    ),
)


def files(record: Struct) -> Iterator[tuple[str, str, int]]:
    """Path, digest and size of each file that a thing has."""
    yield from ((file.path, file.digest, file.size) for file in getattr(record, "files", ()))


def key(record: Struct) -> str:
    """What it is known by: its id or, where it has none, its name. It is the first field."""
    return str(getattr(record, record.__struct_fields__[0]))
