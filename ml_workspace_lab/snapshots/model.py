"""What a snapshot is: an unchangeable record of the files that a run started from."""

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from ml_workspace_lab.api.parts import MOST
from ml_workspace_lab.api.types import Digest, Millis, Offset, RelativePath, Text


class SnapshotFile(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A file by its path and content; of a link (`link`) the content is where it leads.

    `raw` is the path's bytes in hex where it is no text that `path` can have (other than UTF-8, not
    in normal form C, with control characters or backslashes): `path` shows it then.
    """

    path: RelativePath
    digest: Digest
    size: Offset
    executable: bool = False
    link: bool = False
    raw: str = ""


class OmittedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that was left out, and the rule that says so."""

    path: Text
    reason: Text
    size: Offset = 0


class CreateSnapshot(Struct, frozen=True, forbid_unknown_fields=True):
    """Files whose contents are in the blob store already, and what was left out and why."""

    files: list[SnapshotFile]
    omitted: list[OmittedFile] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)


class SnapshotInfo(Struct, frozen=True):
    """`snapshot_id` is the digest of the list of files: equal trees are one snapshot."""

    snapshot_id: str
    created: Millis
    size: int
    files: list[SnapshotFile]
    omitted: list[OmittedFile]
    notes: list[str]


class SnapshotSummary(Struct, frozen=True):
    """A snapshot without its list of files; `runs` is how many were started from it."""

    snapshot_id: str
    created: Millis
    size: int
    runs: int = 0


class SnapshotList(Struct, frozen=True):
    items: list[SnapshotSummary]
    next: str | None = None


class SnapshotUse(Struct, frozen=True):
    """A run that was started from a snapshot, or a version of a model (`model:version`) that came
    of it."""

    kind: Literal["run", "model"]
    name: str
    experiment: str | None
    created: Millis


class SnapshotUses(Struct, frozen=True):
    items: list[SnapshotUse]


class ChosenFiles(Struct, frozen=True, forbid_unknown_fields=True):
    """Paths of a snapshot; None for all of its files."""

    paths: list[RelativePath] | None = None


class BlobInfo(Struct, frozen=True):
    digest: str
    size: int


class BlobUpload(Struct, frozen=True, forbid_unknown_fields=True):
    """What a content is to be: its size in bytes."""

    size: Annotated[int, Meta(ge=1, le=MOST)]


class KeptContents(Struct, frozen=True):
    """The contents of a body, in its order."""

    items: list[BlobInfo]


class MissingBlobs(Struct, frozen=True, forbid_unknown_fields=True):
    """Of the digests that were asked about, those that the workspace has not got."""

    digests: list[Digest]


def manifest(files: list[SnapshotFile]) -> tuple[str, bytes]:
    """The list of a snapshot's files in its one spelling, and the digest of that: its id."""
    raw = msgspec.json.encode(sorted(files, key=lambda file: file.path))
    return hashlib.sha256(raw).hexdigest(), raw
