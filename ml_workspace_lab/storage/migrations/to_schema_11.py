"""From schema 10 to schema 11: the documents of runs are MessagePack, which is shorter than JSON
and read faster."""

from pathlib import Path

import msgspec

from ml_workspace_lab.storage.database import Transaction

_AT_ONCE = 1000
_LEAST, _BEYOND = -(2**63), 2**64


def fill(transaction: Transaction, folder: Path) -> None:  # noqa: ARG001 - one shape for all steps
    """Write each document anew, with the same values."""
    last = 0
    while rows := transaction.all(
        f"SELECT id, doc FROM run WHERE id > :last ORDER BY id LIMIT {_AT_ONCE}",  # noqa: S608
        last=last,
    ):
        transaction.many(
            "UPDATE run SET doc = :doc WHERE id = :id",
            [{"id": row["id"], "doc": _packed(row["doc"])} for row in rows],
        )
        last = rows[-1]["id"]


def _packed(doc: bytes) -> bytes:
    document = msgspec.json.decode(doc)
    params = document["params"]
    for key in [key for key, value in params.items() if _is_long(value)]:
        document["large"].append(f"integer:{key}")
        del params[key]
    return msgspec.msgpack.encode(document)


def _is_long(value: object) -> bool:
    return isinstance(value, int) and not _LEAST <= value < _BEYOND
