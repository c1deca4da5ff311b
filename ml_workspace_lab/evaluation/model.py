"""What an evaluation dataset is: inputs of an application, and what is expected of each."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from ml_workspace_lab.api.types import Key, Limit, Millis, Name, Text, Word, text_like

DatasetId = Annotated[
    str, text_like(r"^d-[0-9a-f]{32}$(?!\n)", "is not the id of an evaluation dataset")
]
RecordId = Annotated[
    str, text_like(r"^dr-[0-9a-f]{32}$(?!\n)", "is not the id of a record of an evaluation dataset")
]
SourceType = Literal["UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT", "CODE"]


class EvaluationDataset(Struct, frozen=True):
    """A dataset as it is now. `experiments` has their numbers by name; `fields` tells the types of
    what the records' inputs, outputs and expectations have, None before there was a record. The
    digest is another one after every change of the records."""

    dataset_id: str
    name: str
    tags: dict[str, str]
    experiments: dict[str, int]
    digest: str
    records: int
    fields: dict[str, Any] | None
    created: Millis
    updated: Millis
    created_by: str | None = None
    updated_by: str | None = None


class EvaluationDatasetList(Struct, frozen=True):
    """Datasets; `next` is the `after` that asks for the part that follows."""

    items: list[EvaluationDataset]
    next: str | None = None


class CreateEvaluationDataset(Struct, frozen=True, forbid_unknown_fields=True):
    """Several may have one name; the tag `mlflow.user` says who makes it."""

    name: Name
    experiments: list[Name] = field(default_factory=list)
    tags: dict[Key, Word] = field(default_factory=dict)


class UpdateEvaluationDataset(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change: tags are set, experiments are added to those that it has."""

    tags: dict[Key, Word] = field(default_factory=dict)
    remove_tags: list[Key] = field(default_factory=list)
    add_experiments: list[Name] = field(default_factory=list)
    remove_experiments: list[Name] = field(default_factory=list)


class SearchEvaluationDatasets(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look for, in some experiments or everywhere: `filter` and `order_by` in the grammar
    of the search for runs."""

    filter: Text = ""
    experiments: list[Name] | None = None
    order_by: list[Text] = field(default_factory=list)
    limit: Limit = 100
    after: Text | None = None


class RecordSource(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a record comes from; `data` has the `trace_id` of a trace."""

    type: SourceType
    data: dict[str, Any] = field(default_factory=dict)


class PutRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A record, or what is new of the one with the same inputs: outputs are replaced where there
    are any, expectations and tags are added to those that it has. The tag `mlflow.user` says whose
    it is."""

    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: Any | UnsetType = UNSET
    expectations: dict[str, Any] | None = None
    tags: dict[str, Any] | None = None
    source: RecordSource | None = None


class PutRecords(Struct, frozen=True, forbid_unknown_fields=True):
    items: list[PutRecord]


class PutCount(Struct, frozen=True):
    """How many records are new, and how many were there."""

    inserted: int
    updated: int


class EvaluationRecord(Struct, frozen=True):
    record_id: str
    inputs: dict[str, Any]
    outputs: Any
    expectations: dict[str, Any] | None
    tags: dict[str, Any]
    source: RecordSource | None
    created: Millis
    updated: Millis
    created_by: str | None = None
    updated_by: str | None = None


class EvaluationRecordList(Struct, frozen=True):
    """Records, the oldest first; `next` is the `after` that asks for the part that follows."""

    items: list[EvaluationRecord]
    next: str | None = None


class DeleteRecords(Struct, frozen=True, forbid_unknown_fields=True):
    record_ids: list[RecordId]


class DeletedRecords(Struct, frozen=True):
    count: int
