"""What a snapshot is: an unchangeable record of the files that a run started from."""

from msgspec import Struct, field

from ml_workspace_lab.api.types import Digest, Millis, RelativePath, Text


class SnapshotFile(Struct, frozen=True, forbid_unknown_fields=True):
    path: RelativePath
    digest: Digest
    size: int
    executable: bool = False


class OmittedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that was left out, and the rule that says so."""

    path: Text
    reason: Text


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


class BlobInfo(Struct, frozen=True):
    digest: str
    size: int


class MissingBlobs(Struct, frozen=True, forbid_unknown_fields=True):
    """Of the digests that were asked about, those that the workspace has not got."""

    digests: list[Digest]
