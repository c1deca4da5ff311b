"""Which files of a folder make a snapshot, and which are left out and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.snapshots.model import OmittedFile
from ml_workspace_lab.snapshots.stat_cache import FolderState, StatCache
from ml_workspace_lab.snapshots.walking import Found, walk
from ml_workspace_lab.storage.paths import relative

MAX_TOTAL = 300 * 1024 * 1024
MAX_FILES = 20_000
TOO_MUCH = f"the snapshot would be over {MAX_TOTAL // 1024**2} MiB or {MAX_FILES:,} files"


@dataclass
class Capture:
    """The files that are in by path, those among them whose content is `given` instead, and what
    was left out and why."""

    root: Path
    files: dict[str, Found]
    given: dict[str, bytes]
    omitted: list[OmittedFile]
    notes: list[str]
    folders: dict[str, FolderState]


def capture(
    root: Path, overrides: Mapping[str, bytes] | None = None, cache: StatCache | None = None
) -> Capture:
    """What a snapshot of the folder `root` holds; `overrides` replace or add files by path.

    A file that is too large, odd or unreadable is left out and named; it is never a reason to
    refuse. Raises InvalidInput where `root` is no folder.
    """
    if not root.is_dir():
        raise InvalidInput(f"There is no folder {str(root)!r}.", field="source_directory")
    found = walk(root.absolute(), cache or StatCache())
    given = {relative(path): content for path, content in (overrides or {}).items()}
    captured = Capture(
        root.absolute(), found.files, given, found.omitted, found.notes, found.folders
    )
    _fit(captured)
    for path in given:
        captured.files.pop(path, None)
    captured.notes += _collisions([*captured.files, *given])
    return captured


def _fit(captured: Capture) -> None:
    """Leave the largest files out until the rest is within the limits."""
    files = captured.files
    total = sum(found.status.st_size for found in files.values())
    if total <= MAX_TOTAL and len(files) <= MAX_FILES:
        return
    by_size = sorted(
        (found for path, found in files.items() if path not in captured.given),
        key=lambda found: -found.status.st_size,
    )
    for found in by_size:
        if total <= MAX_TOTAL and len(files) <= MAX_FILES:
            return
        del files[found.path]
        total -= found.status.st_size
        captured.omitted.append(OmittedFile(found.path, TOO_MUCH, found.status.st_size))


def _collisions(paths: Iterable[str]) -> list[str]:
    """A note on names that differ in case alone: on some disks one file replaces the other."""
    paths = list(paths)
    if len({path.casefold() for path in paths}) == len(paths):
        return []
    seen: dict[str, str] = {}
    notes = []
    for path in paths:
        other = seen.setdefault(path.casefold(), path)
        if other != path:
            notes.append(f"{other} and {path} differ in case alone: some disks can't hold both.")
    return notes
