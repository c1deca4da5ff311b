"""What a logged model is: a model that a run made, before anybody registers it."""

from typing import Annotated, Literal

from msgspec import UNSET, Struct, UnsetType, field

from ml_workspace_lab.api.types import (
    Digest,
    Int64,
    Key,
    Limit,
    Millis,
    Name,
    Number,
    RelativePath,
    RunId,
    Text,
    text_like,
)

LoggedModelId = Annotated[
    str, text_like(r"^m-[0-9a-f]{32}$(?!\n)", "is not the id of a logged model: m- and 32 digits")
]
Status = Literal["pending", "ready", "failed"]
"""`pending` until its files are there; `failed` where they did not come."""


class ModelMetric(Struct, frozen=True, forbid_unknown_fields=True):
    """A value that was measured of a model, perhaps on a dataset."""

    name: Key
    value: Number
    step: Int64
    time: Int64
    run_id: RunId | None = None
    dataset_name: Text = ""
    dataset_digest: Text = ""


class LoggedModelInfo(Struct, frozen=True):
    """Times are milliseconds; `run_id` is the run that made it."""

    model_id: str
    experiment: str
    experiment_number: int
    name: str
    model_type: str
    status: Status
    run_id: str | None
    created: Millis
    updated: Millis
    deleted: Millis | None
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[ModelMetric]


class LoggedModelList(Struct, frozen=True):
    items: list[LoggedModelInfo]
    next: str | None = None


class LogModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A model; `run_id` is the run that made it. Where that was no run of this workspace,
    `foreign_run` is what it is called elsewhere: it is kept, and leads nowhere."""

    experiment: Name
    name: Name
    model_type: Text = ""
    run_id: RunId | None = None
    foreign_run: Key | None = None
    params: dict[Key, Text] = field(default_factory=dict)
    tags: dict[Key, Text] = field(default_factory=dict)


class UpdateLoggedModel(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change: parameters and tags are set."""

    status: Status | UnsetType = UNSET
    params: dict[Key, Text] = field(default_factory=dict)
    tags: dict[Key, Text] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)


class AddModelMetrics(Struct, frozen=True, forbid_unknown_fields=True):
    items: list[ModelMetric]


class OnDataset(Struct, frozen=True, forbid_unknown_fields=True):
    """A dataset that models were measured on; without a digest any of that name."""

    name: Text
    digest: Text = ""


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """What to put models in order by: an attribute, or a metric (`metrics.NAME`) on a dataset."""

    key: Text
    descending: bool = False
    dataset: OnDataset | None = None


class SearchLoggedModels(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for in experiments: `filter` in the grammar of the search for runs; metrics are
    those that were measured on one of `datasets`, where any are named."""

    experiments: list[Name]
    filter: Text = ""
    datasets: list[OnDataset] = field(default_factory=list)
    order_by: list[Order] = field(default_factory=list)
    limit: Limit = 50
    after: Text | None = None


class LoggedModelFile(Struct, frozen=True):
    path: RelativePath
    digest: Digest
    size: int
    created: Millis


class LoggedModelFiles(Struct, frozen=True):
    items: list[LoggedModelFile]
