"""Evaluation datasets and scorers as records, in a form that goes from workspace to workspace."""

import json
from typing import Annotated

import msgspec
from msgspec import Struct, field

from ml_workspace_lab.api.types import Int64, Key, Name, Text, Word, text_like
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.evaluation import contents, record_store, scorer_store, store
from ml_workspace_lab.evaluation.model import DatasetId, EvaluationRecord, RecordId
from ml_workspace_lab.evaluation.scorer import ScorerNumber, Share
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.storage.database import Queries, Transaction
from ml_workspace_lab.tracing.terms import TRACES

LARGEST = 128 * 1024 * 1024
"""Characters that the records of a dataset have at most to go elsewhere."""
ShortDigest = Annotated[str, text_like(r"^[0-9a-f]{8}$(?!\n)", "is not 8 digits 0-9, a-f")]


class MovedRecord(EvaluationRecord, frozen=True, forbid_unknown_fields=True):
    """A record of a dataset, checked as what comes from anybody."""

    record_id: RecordId
    created: Int64
    updated: Int64
    created_by: Text | None = None
    updated_by: Text | None = None


class Fields(Struct, frozen=True, forbid_unknown_fields=True):
    """The types of what the records have, by name; of outputs that are no object, their type."""

    inputs: dict[str, Word]
    outputs: dict[str, Word] | Word
    expectations: dict[str, Word]
    version: Word


class DatasetRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An evaluation dataset with its records, the oldest first. Times are milliseconds."""

    dataset_id: DatasetId
    name: Name
    digest: ShortDigest
    created: Int64
    updated: Int64
    created_by: Text | None = None
    updated_by: Text | None = None
    tags: dict[Key, Word] = field(default_factory=dict)
    fields: Fields | None = None
    records: list[MovedRecord] = field(default_factory=list)


class VersionRecord(Struct, frozen=True, forbid_unknown_fields=True):
    version: ScorerNumber
    content: Text
    created: Int64


class SamplingRecord(Struct, frozen=True, forbid_unknown_fields=True):
    share: Share
    filter: Text | None = None


class ScorerRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A scorer with its versions; its id is another one in each workspace."""

    name: Name
    versions: list[VersionRecord]
    sampling: SamplingRecord | None = None


def datasets(queries: Queries, experiment: int) -> list[str]:
    """The ids of the datasets that an experiment uses, the oldest first."""
    rows = queries.all(
        "SELECT d.uid FROM evaluation_dataset d JOIN evaluation_dataset_experiment p"
        " ON p.evaluation_dataset = d.id WHERE p.experiment = :experiment ORDER BY d.created, d.id",
        experiment=experiment,
    )
    return [row["uid"] for row in rows]


def read_dataset(queries: Queries, _: int, dataset_id: str) -> DatasetRecord | None:
    """The record of a dataset; None where it isn't here. Raises InvalidInput where it is too
    large."""
    row = store.find(queries, dataset_id)
    if row is None:
        return None
    size = record_store.size(queries, row["id"])
    if size > LARGEST:
        raise InvalidInput(f"Its records take {size} characters; {LARGEST} are the most.")
    known = row["fields_json"]
    return DatasetRecord(
        dataset_id=dataset_id,
        tags=json.loads(row["tags_json"]),
        fields=None if known is None else msgspec.json.decode(known, type=Fields),
        records=[
            MovedRecord(**msgspec.structs.asdict(one))
            for one in record_store.all_of(queries, row["id"])
        ],
        **{
            name: row[name]
            for name in ("name", "digest", "created", "updated", "created_by", "updated_by")
        },
    )


def write_dataset(transaction: Transaction, experiment: int, record: DatasetRecord) -> None:
    """Add a dataset that is not here yet, and let the experiment use it. Raises InvalidInput where
    one of its records is another dataset's, or too large."""
    users = {"created_by": record.created_by, "updated_by": record.updated_by}
    tags = json.dumps(record.tags)
    store.insert(transaction, record.dataset_id, record.name, tags_json=tags, **users)
    row = store.row_of(transaction, record.dataset_id)
    record_store.restore(transaction, row["id"], record.records)
    store.change(
        transaction,
        row,
        created=record.created,
        updated=record.updated,
        digest=record.digest,
        records=len(record.records),
        fields_json=record.fields and msgspec.json.encode(record.fields).decode(),
    )
    store.add_to(transaction, row["id"], [experiment])


def join_dataset(transaction: Transaction, experiment: int, dataset_id: str) -> None:
    """Let an experiment use a dataset that is here."""
    store.add_to(transaction, store.row_of(transaction, dataset_id)["id"], [experiment])


def scorers(queries: Queries, experiment: int) -> list[str]:
    """The names of an experiment's scorers."""
    rows = queries.all(
        "SELECT name FROM scorer WHERE experiment = :experiment ORDER BY id", experiment=experiment
    )
    return [row["name"] for row in rows]


def read_scorer(queries: Queries, experiment: int, name: str) -> ScorerRecord | None:
    """The record of an experiment's scorer; None where there is none of that name."""
    row = scorer_store.find(queries, experiment, name)
    if row is None:
        return None
    sampling = None
    if row["share"] is not None:
        sampling = SamplingRecord(row["share"], row["filter"])
    found = [VersionRecord(*one) for one in scorer_store.all_of(queries, row)]
    return ScorerRecord(name, found, sampling)


def write_scorer(transaction: Transaction, experiment: int, record: ScorerRecord) -> None:
    """Add a scorer that is not here yet. Raises InvalidInput and NotFound where it could not have
    been registered here."""
    numbers = {one.version for one in record.versions}
    if not numbers or len(numbers) < len(record.versions):
        raise InvalidInput("A scorer has versions, each with a number of its own.")
    for one in record.versions:
        contents.check(one.content)
        scorer_store.restore(
            transaction, experiment, record.name, one.version, one.content, one.created
        )
    if (sampling := record.sampling) is not None:
        check_sampling(sampling)
        row = scorer_store.row_of(transaction, experiment, record.name)
        scorer_store.set_sampling(transaction, row, sampling.share, sampling.filter)


def check_sampling(sampling: SamplingRecord) -> None:
    """Raise InvalidInput where a scorer here could not have it."""
    if sampling.share > 0:
        raise InvalidInput("It is to score traces as they come, which nobody does here.")
    if sampling.filter:
        parse(sampling.filter, TRACES)
