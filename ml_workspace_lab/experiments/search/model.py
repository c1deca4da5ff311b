"""What is asked of a search, and its answers."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import Name, RunId, Scalar, Text
from ml_workspace_lab.experiments.model import RunInfo

RowKind = Literal["attribute", "param", "metric", "tag", "property"]
RunView = Literal["active", "deleted", "all"]
PageSize = Annotated[int, Meta(ge=1, le=50_000)]


class CountRuns(Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs: those that a filter matches, of some experiments (None: of all; an empty list:
    of none), outside the trash, in it, or both."""

    filter: Text = ""
    experiments: list[Name] | None = None
    view: RunView = "active"


class FrameRuns(Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs, as for `CountRuns`, in which order, and how many at most (default: all)."""

    filter: Text = ""
    experiments: list[Name] | None = None
    view: RunView = "active"
    order_by: list[Text] = field(default_factory=list)
    max_results: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


class SearchRuns(Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs, as for `CountRuns`, in which order, and which page of them."""

    filter: Text = ""
    experiments: list[Name] | None = None
    view: RunView = "active"
    order_by: list[Text] = field(default_factory=list)
    max_results: PageSize = 1000
    page_token: Text | None = None


class RunPage(Struct, frozen=True):
    """Runs in order; `next` is the token of the page that follows, None on the last."""

    items: list[RunInfo]
    next: str | None = None


class RunCount(Struct, frozen=True):
    count: int


class CompareRuns(Struct, frozen=True, forbid_unknown_fields=True):
    run_ids: Annotated[list[RunId], Meta(min_length=1, max_length=1000)]


class ComparedRow(Struct, frozen=True):
    """One thing of all the runs compared, in their order; None where a run lacks it."""

    kind: RowKind
    name: str
    values: list[Scalar]
    differs: bool


class RunComparison(Struct, frozen=True):
    """Runs beside each other: attributes, parameters, metrics and tags."""

    run_ids: list[str]
    rows: list[ComparedRow]
