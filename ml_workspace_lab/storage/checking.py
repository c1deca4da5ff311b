"""Reading every stored content to its end: which are damaged or missing, and who needs them."""

from collections import defaultdict
from pathlib import Path

import msgspec
from msgspec import Struct

from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.storage.blobs import BLOBS, Blobs
from ml_workspace_lab.storage.content import CHUNK
from ml_workspace_lab.storage.engine import is_workspace
from ml_workspace_lab.storage.packs import Place
from ml_workspace_lab.storage.storage import Storage

_USERS = (
    ("SELECT a.digest, r.uid || '/' || a.path AS user FROM artifact a JOIN run r ON r.id = a.run"),
    ("SELECT f.digest, m.uid || '/' || f.path AS user FROM logged_model_file f"
     " JOIN logged_model m ON m.id = f.logged_model"),
    "SELECT digest, path AS user FROM trace_file",
    ("SELECT x.digest, r.uid || ', its environment' AS user FROM run_environment x"
     " JOIN run r ON r.id = x.run WHERE x.digest IS NOT NULL"),
    ("SELECT d.scoring_script AS digest, e.name || '/' || d.name AS user FROM deployment d"
     " JOIN endpoint e ON e.id = d.endpoint WHERE d.scoring_script IS NOT NULL"),
    ("SELECT c.onnx AS digest, m.name || ':' || c.version || ' as a graph' AS user"
     " FROM model_compilation c JOIN model m ON m.id = c.model WHERE c.onnx IS NOT NULL"),
)  # fmt: skip


class _File(Struct):
    digest: str
    path: str = ""


_files = msgspec.json.Decoder(list[_File])


class Damage(Struct, frozen=True):
    """A content whose hash differs, or that is referred to and missing; whether it is whole now,
    and who has it: a run's artifact, a model's file, a file of a snapshot."""

    digest: str
    problem: str
    repaired: bool
    used_by: list[str]


class Check(Struct, frozen=True):
    """How many contents were read, and those that were damaged or missing."""

    contents: int
    bytes: int
    items: list[Damage]


def check(storage: Storage, copy: Path | None = None) -> Check:
    """Read all contents; put back those that are whole in `copy`, another workspace's folder (a
    backup, say) or an exported one. Raises InvalidInput where `copy` is neither."""
    source = _source(copy) if copy is not None else None
    users = _users(storage)
    places = _places(storage)
    found, size = list[Damage](), 0
    digests = users.keys() | places.keys() | _own(storage.blobs)
    nowhere = Place("", 0, 0)
    for digest in sorted(digests, key=lambda one: (places.get(one, nowhere), one)):
        problem, read = _read(storage.blobs, digest)
        size += read
        if problem:
            repaired = source is not None and _put_back(storage, source, digest)
            found.append(Damage(digest, problem, repaired, users.get(digest, [])))
    return Check(len(digests), size, found)


def _read(blobs: Blobs, digest: str) -> tuple[str, int]:
    """What is wrong with a content (empty: nothing), and how many bytes it has."""
    size = 0
    try:
        with blobs.open(digest) as stream:
            while part := stream.read(CHUNK):
                size += len(part)
    except NotFound:
        return "missing", 0
    except Conflict:
        return "its hash differs", size
    except OSError as error:
        return error.strerror or "can't be read", size
    return "", size


def _put_back(storage: Storage, source: Blobs, digest: str) -> bool:
    try:
        with source.open(digest) as stream:
            storage.blobs.put_back(stream, digest)
    except (NotFound, Conflict, InvalidInput, OSError):
        return False
    with storage.database.write() as transaction:
        transaction.execute("DELETE FROM packed WHERE digest = :digest", digest=digest)
    return True


def _source(copy: Path) -> Blobs:
    if not (copy / BLOBS).is_dir():
        raise InvalidInput(
            f"{copy} has no contents.",
            field="repair_from",
            hint="Name a workspace's folder, such as a backup, or one of exported experiments.",
        )
    return Storage(copy).blobs if is_workspace(copy) else Blobs(copy / BLOBS)


def _places(storage: Storage) -> dict[str, Place]:
    rows = storage.database.all(
        "SELECT c.digest, c.start, c.size, p.name FROM packed c JOIN pack p ON p.id = c.pack"
    )
    return {row["digest"]: Place(row["name"], row["start"], row["size"]) for row in rows}


def _own(blobs: Blobs) -> set[str]:
    """Contents that have files of their own."""
    folders = blobs.root.glob("[0-9a-f][0-9a-f]")
    return {folder.name + file.name for folder in folders for file in folder.iterdir()}


def _users(storage: Storage) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for sql in _USERS:
        for row in storage.database.all(sql):
            found[row["digest"]].append(row["user"])
    for row in storage.database.all(
        "SELECT m.name, v.version, v.files_json FROM model_version v JOIN model m ON m.id = v.model"
    ):
        for file in _files.decode(row["files_json"]):
            found[file.digest].append(f"{row['name']}:{row['version']}/{file.path}")
    for row in storage.database.all("SELECT digest FROM snapshot"):
        for digest in (row["digest"], *(storage.blobs.lists.parts(row["digest"]) or [])):
            found[digest].append(f"snapshot {row['digest'][:12]}")
        try:
            files = _files.decode(storage.blobs.read(row["digest"]))
        except (NotFound, Conflict):
            continue
        for file in files:
            found[file.digest].append(f"snapshot {row['digest'][:12]}/{file.path}")
    return found
