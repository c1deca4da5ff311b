"""What the records of a dataset have: names and types of inputs, outputs and expectations."""

import json
from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.evaluation.model import PutRecord

MOST = 10_000
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)
"""The first that a value is one of decides."""


def extended(known: str | None, records: Iterable[PutRecord]) -> str | None:
    """The fields as JSON, those that are `known` with those of more records. The type of a field is
    that of its first value; outputs that are no object have a type and no fields. Raises
    InvalidInput at over 10,000 fields."""
    fields: dict[str, Any] | None = None if known is None else json.loads(known)
    for record in records:
        if fields is None:
            fields = {"inputs": {}, "outputs": {}, "expectations": {}, "version": "1.0"}
        _add(fields["inputs"], record.inputs)
        _add(fields["expectations"], record.expectations or {})
        outputs = None if record.outputs is UNSET else record.outputs
        if isinstance(outputs, dict):
            if isinstance(fields["outputs"], dict):
                _add(fields["outputs"], outputs)
        elif outputs is not None and not fields["outputs"]:
            fields["outputs"] = _kind(outputs)
    return None if fields is None else json.dumps(fields)


def _add(fields: dict[str, str], values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name not in fields:
            if len(fields) == MOST:
                raise InvalidInput(
                    f"The records of a dataset have at most {MOST} fields.",
                    field="items",
                    hint="Put what differs from record to record into one field, as an object.",
                )
            fields[name] = _kind(value)


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")
