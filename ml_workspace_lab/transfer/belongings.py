"""What an experiment has beside its runs, kind by kind: how each is found, read and written."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from msgspec import Struct

from ml_workspace_lab.evaluation import moving as evaluation
from ml_workspace_lab.models import records as models
from ml_workspace_lab.storage.database import Queries, Transaction
from ml_workspace_lab.tracing import moving as tracing


class Kind(NamedTuple):
    """One kind of thing: `field` names it in lists and reports, `what` in words, and `key` is the
    field of its records that it is known by. Its functions are given an experiment's number."""

    field: str
    what: str
    key: str
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
        "model_id",
        models.LoggedModelRecord,
        models.logged_without_run,
        models.read_one_logged,
        models.write_one_logged,
    ),
    Kind(
        "traces",
        "trace",
        "trace_id",
        tracing.TraceRecord,
        tracing.traces,
        tracing.read_trace,
        tracing.write_trace,
    ),
    Kind(
        "issues",
        "issue",
        "issue_id",
        tracing.IssueRecord,
        tracing.issues,
        tracing.read_issue,
        tracing.write_issue,
    ),
    Kind(
        "scorers",
        "scorer",
        "name",
        evaluation.ScorerRecord,
        evaluation.scorers,
        evaluation.read_scorer,
        evaluation.write_scorer,
    ),
    Kind(
        "evaluation_datasets",
        "evaluation dataset",
        "dataset_id",
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
