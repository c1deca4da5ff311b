"""What a list of files must be to become a snapshot that can be laid out anywhere."""

from collections.abc import Sequence

import msgspec

from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.snapshots.links import leads_out
from ml_workspace_lab.snapshots.model import SnapshotFile
from ml_workspace_lab.snapshots.names import on_disk
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.storage.paths import relative

LONGEST_LINK = 4096


def checked(blobs: Blobs, files: Sequence[SnapshotFile]) -> list[SnapshotFile]:
    """The files, by path. Raises InvalidInput where two can't be beside each other, or a link could
    lead out of the tree."""
    found = []
    seen: set[bytes] = set()
    for file in files:
        path = relative(file.path, "files.path")
        name = on_disk(path, file.raw)
        if name in seen:
            raise _twice(path)
        seen.add(name)
        if file.link:
            _check_link(blobs, file, name)
        found.append(file if path == file.path else msgspec.structs.replace(file, path=path))
    folders = {parent for name in seen for parent in _above(name)}
    for name in folders & seen:
        raise _twice(name.decode(errors="backslashreplace"))
    return sorted(found, key=lambda file: file.path)


def _above(name: bytes) -> list[bytes]:
    """The folders above a file."""
    found = []
    at = name.rfind(b"/")
    while at > 0:
        found.append(name[:at])
        at = name.rfind(b"/", 0, at)
    return found


def _check_link(blobs: Blobs, file: SnapshotFile, name: bytes) -> None:
    if file.size > LONGEST_LINK:
        raise InvalidInput(f"The link {file.path!r} is too long.", field="files")
    try:
        target = blobs.read(file.digest)
    except NotFound:
        return  # that the content is missing is told for all files
    if leads_out(name.decode("latin-1"), target.decode("latin-1")):
        raise InvalidInput(
            f"The link {file.path!r} leads out of the snapshot.",
            field="files",
            hint="Leave it out.",
        )


def _twice(path: str) -> InvalidInput:
    return InvalidInput(f"The path {path!r} stands twice in the snapshot.", field="files")
