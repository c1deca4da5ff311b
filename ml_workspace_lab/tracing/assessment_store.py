"""How assessments are kept."""

import json
import os
from typing import Any

import msgspec

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now
from ml_workspace_lab.tracing.model import Assessment, AssessmentRecord, CreateAssessment

_BODY = ("content", "source", "rationale", "metadata", "span_id", "overrides")


def insert(transaction: Transaction, trace: int, new: CreateAssessment) -> str:
    """Add an assessment; its id. One that it overrides is not valid any more."""
    uid = f"a-{os.urandom(16).hex()}"
    if new.overrides is not None:
        overridden = row_of(transaction, trace, new.overrides)
        transaction.execute("UPDATE assessment SET valid = 0 WHERE id = :id", id=overridden["id"])
    moment = now()
    _add(transaction, trace, uid, new, valid=1, created=moment, updated=moment)
    return uid


def restore(transaction: Transaction, trace: int, one: AssessmentRecord) -> bool:
    """Add an assessment as it was elsewhere; whether there is none of its id."""
    uid = one.assessment_id
    if transaction.one("SELECT 1 AS one FROM assessment WHERE uid = :uid", uid=uid) is not None:
        return False
    moments = {"created": one.created, "updated": one.updated}
    _add(transaction, trace, uid, one, valid=int(one.valid), **moments)
    return True


def _add(transaction: Transaction, trace: int, uid: str, new: CreateAssessment, **so: int) -> None:
    transaction.insert(
        "assessment",
        uid=uid,
        trace=trace,
        kind=new.kind,
        name=new.name,
        value=searched(new.content),
        body_json=_body(new),
        **so,
    )


def write(transaction: Transaction, row: Row, changed: Assessment) -> None:
    transaction.execute(
        "UPDATE assessment SET name = :name, value = :value, body_json = :body, valid = :valid,"
        " updated = :now WHERE id = :id",
        name=changed.name,
        value=searched(changed.content),
        body=_body(changed),
        valid=int(changed.valid),
        now=now(),
        id=row["id"],
    )


def delete(transaction: Transaction, trace: int, row: Row) -> None:
    """Take an assessment away; what it had overridden is valid again."""
    overridden = json.loads(row["body_json"]).get("overrides")
    transaction.execute("DELETE FROM assessment WHERE id = :id", id=row["id"])
    transaction.execute(
        "UPDATE assessment SET valid = 1 WHERE uid = :uid AND trace = :trace",
        uid=overridden,
        trace=trace,
    )


def row_of(queries: Queries, trace: int, assessment_id: str) -> Row:
    row = queries.one(
        "SELECT * FROM assessment WHERE trace = :trace AND uid = :uid",
        trace=trace,
        uid=assessment_id,
    )
    if row is None:
        raise NotFound(f"Assessment with ID '{assessment_id}' not found.", field="assessment_id")
    return row


def searched(content: dict[str, Any]) -> str | None:
    """The value as it is searched for: a text as it is, anything else as JSON."""
    value = content.get("value")
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def _body(one: Assessment | CreateAssessment) -> str:
    fields = {name: msgspec.to_builtins(getattr(one, name)) for name in _BODY}
    return json.dumps(fields)
