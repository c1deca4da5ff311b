"""Records as they are kept: known again by their inputs, merged with what is new of them."""

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.evaluation.model import PutRecord
from ml_workspace_lab.storage.database import Row

USER_TAG = "mlflow.user"
"""The tag in which clients say who they are."""

RECORD_SIZE = 4 * 1024 * 1024
"""Characters that the JSON of one record takes at most."""

_PARTS = ("inputs_json", "outputs_json", "expectations_json", "tags_json", "source_json")


@dataclass
class Kept:
    """A record as it is to be written, `row` where it is there already. `inputs_json` and
    `source_json` of one that is there are left as they are, and only their `size` is known."""

    hash: str
    row: int | None
    size: int
    values: dict[str, Any]

    def merge(self, new: PutRecord, moment: int) -> None:
        """Add what is new of it. Raises InvalidInput where it gets too large."""
        before = self.length()
        if new.outputs is not UNSET:
            self.values["outputs_json"] = _spelled(new.outputs)
        for name, more in (("expectations_json", new.expectations), ("tags_json", new.tags)):
            if more:
                known = json.loads(self.values[name]) or {}
                self.values[name] = _spelled(known | more)
        self.values["updated"] = moment
        if user := user_in(new.tags):
            self.values["updated_by"] = user
        self.size += self.length() - before
        _check_size(self.size)

    def length(self) -> int:
        """Characters of the JSON that is here."""
        return sum(len(self.values.get(name, "")) for name in _PARTS)


def hash_of(inputs: dict[str, Any]) -> str:
    return hashlib.sha256(_spelled(inputs, sort_keys=True).encode()).hexdigest()


def new(record: PutRecord, key: str, moment: int) -> Kept:
    """A record that is not there yet. Raises InvalidInput where it is too large."""
    user = user_in(record.tags)
    values: dict[str, Any] = {
        "uid": f"dr-{os.urandom(16).hex()}",
        "inputs_json": _spelled(record.inputs),
        "outputs_json": _spelled({} if record.outputs is UNSET else record.outputs),
        "expectations_json": _spelled(record.expectations),
        "tags_json": _spelled(record.tags or {}),
        "source_json": _spelled(msgspec.to_builtins(record.source)),
        "created": moment,
        "updated": moment,
        "created_by": user,
        "updated_by": user,
    }
    kept = Kept(key, None, 0, values)
    kept.size = kept.length()
    _check_size(kept.size)
    return kept


def there(row: Row) -> Kept:
    """A record of a row with what can be merged."""
    names = ("outputs_json", "expectations_json", "tags_json", "updated", "updated_by")
    return Kept(row["hash"], row["id"], row["size"], {name: row[name] for name in names})


def user_in(tags: dict[str, Any] | None) -> str | None:
    """Who the tags say it is."""
    user = (tags or {}).get(USER_TAG)
    return user if isinstance(user, str) and user else None


def _spelled(value: Any, *, sort_keys: bool = False) -> str:
    """The value as JSON. Raises InvalidInput at a number that JSON has not."""
    try:
        return json.dumps(value, sort_keys=sort_keys, allow_nan=False)
    except ValueError:
        raise InvalidInput(
            "A record holds NaN or an infinity, which JSON has not.",
            field="items",
            hint="Write it as text, or leave it out.",
        ) from None


def _check_size(size: int) -> None:
    if size > RECORD_SIZE:
        raise InvalidInput(
            f"A record takes {size} characters as JSON; {RECORD_SIZE} are the most.",
            field="items",
            hint="Keep what is large as an artifact, and its path in the record.",
        )
