"""Contents and folders that nothing refers to any more: told from those in use, and removed.

Contents are removed while the write lock is held, and whoever refers to one looks in a transaction
whether it is still there. One that was put again after the rows that referred to it had been given
up stays: somebody is about to refer to it.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.storage.database import Queries
from ml_workspace_lab.storage.freeing import Freed, is_older, remove
from ml_workspace_lab.storage.marks import groups
from ml_workspace_lab.storage.repacking import repack
from ml_workspace_lab.storage.storage import Storage

NAMING = (
    ("artifact", "digest"),
    ("logged_model_file", "digest"),
    ("trace_file", "digest"),
    ("deployment", "scoring_script"),
    ("model_compilation", "onnx"),
    ("run_environment", "digest"),
)
"""Columns that name contents; models and snapshots have lists of them."""

AT_ONCE = 500
"""Contents that are looked at while others wait to write."""


class _File(Struct):
    digest: str


_NAMED = re.compile(rb'"digest":"([0-9a-f]{64})"')
_files = msgspec.json.Decoder(list[_File])


class Trees:
    """The contents of models and snapshots, whose rows name them in lists."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._version = 0
        self._snapshots: set[str] = set()
        self._digests: set[str] = set()

    def digests(self, queries: Queries) -> set[str]:
        """All of them, and those of rows that went while others came."""
        for row in queries.all(
            "SELECT id, files_json FROM model_version WHERE id > :id ORDER BY id", id=self._version
        ):
            self._version = row["id"]
            self._digests |= {file.digest for file in _files.decode(row["files_json"])}
        rows = queries.all("SELECT digest FROM snapshot")
        for digest in {row["digest"] for row in rows} - self._snapshots:
            self._snapshots.add(digest)
            parts = self._storage.blobs.lists.parts(digest) or []
            self._digests |= {digest, *parts, *tree(self._storage, digest)}
        return self._digests


def tree(storage: Storage, snapshot: str) -> list[str]:
    """The contents that a snapshot names; of a list that has lost a part those in the others, none
    where all of it is lost."""
    try:
        return [file.digest for file in _files.decode(storage.blobs.read(snapshot))]
    except NotFound:
        parts = storage.blobs.lists.parts(snapshot) or []
    here = storage.blobs.kept(parts)
    read = [storage.blobs.read(part) for part in parts if part in here]
    return [found.decode() for part in read for found in _NAMED.findall(part)]


def remove_blobs(storage: Storage, given_up: Mapping[str, int], freed: Freed) -> None:
    """Remove those contents that nothing refers to and that nobody has put since the moment (ms)
    at which they were given up."""
    trees = Trees(storage)
    trees.digests(storage.database)  # most of the work, while others may write
    digests = list(given_up)
    for at in range(0, len(digests), AT_ONCE):
        some = digests[at : at + AT_ONCE]
        with storage.database.write(durable=False, frees=True) as transaction:
            dead = set(some) - _referred(transaction, some) - trees.digests(transaction)
            for digest in dead:
                for path in storage.blobs.paths(digest):
                    if is_older(path, given_up[digest]):
                        remove(path, freed)
            if dead:
                transaction.many(
                    "DELETE FROM packed WHERE digest = :digest AND renewed <= :moment",
                    [{"digest": digest, "moment": given_up[digest]} for digest in dead],
                )
    repack(storage, freed)


def remove_snapshots(storage: Storage, given_up: Mapping[str, int]) -> None:
    """Remove the rows of those snapshots that no run and no model has. Their contents are left."""
    for digest, moment in given_up.items():
        with storage.database.write(durable=False, frees=True) as transaction:
            if all(is_older(path, moment) for path in storage.blobs.paths(digest)):
                transaction.execute(
                    "DELETE FROM snapshot WHERE digest = :digest"
                    " AND NOT EXISTS (SELECT 1 FROM run WHERE snapshot = :digest)"
                    " AND NOT EXISTS (SELECT 1 FROM model_version WHERE snapshot = :digest)",
                    digest=digest,
                )


def _referred(queries: Queries, digests: Sequence[str]) -> set[str]:
    """Those of the digests that a row names by itself."""
    found: set[str] = set()
    for marks, named in groups(digests):
        for table, column in NAMING:
            rows = queries.all(
                f"SELECT DISTINCT {column} AS digest FROM {table} WHERE {column} IN ({marks})",  # noqa: S608
                **named,
            )
            found |= {row["digest"] for row in rows}
    return found
