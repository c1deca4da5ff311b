"""The files of a folder that its rules let in, without reading any."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.snapshots import names
from ml_workspace_lab.snapshots.ignoring import IGNORE_FILES, Rules, lines_of, of_repository
from ml_workspace_lab.snapshots.links import leads_out
from ml_workspace_lab.snapshots.model import OmittedFile
from ml_workspace_lab.snapshots.stat_cache import FolderState, StatCache
from ml_workspace_lab.storage.engine import FILE, POINTER

MAX_ENTRIES = 50_000
"""Where a folder has more entries than this (a home folder, say), the walk stops and says so."""

_APART = ("pyvenv.cfg", FILE, POINTER)
"""A folder with one of these is a virtual environment or a workspace: never part of the code."""
_OWNER_EXECUTES = 0o100
MAX_FILE = 64 * 1024 * 1024


class Found(Struct, frozen=True, gc=False):
    """A file that is in, as the walk saw it; `digest` is known where it hasn't changed since."""

    path: str
    raw: str
    name: str
    """Its path below the root as it is on the disk."""
    status: os.stat_result
    folder: FolderState
    digest: str | None = None
    target: str | None = None
    """Where it leads, if it is a link."""

    @property
    def executable(self) -> bool:
        return self.target is None and bool(self.status.st_mode & _OWNER_EXECUTES)


@dataclass
class Walk:
    """Files by the paths that show them, and what was left out."""

    files: dict[str, Found] = field(default_factory=dict)
    omitted: list[OmittedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    folders: dict[str, FolderState] = field(default_factory=dict)

    def omit(self, path: str, reason: str, size: int = 0) -> None:
        # A name that is no text is shown as far as it can be.
        shown = path.encode("utf-8", "backslashreplace").decode()
        self.omitted.append(OmittedFile(shown, reason, size))


def walk(root: Path, cache: StatCache) -> Walk:
    """The files below `root`, folder by folder, in the order of their names."""
    found = Walk()
    entries = 0
    left: list[tuple[str, Rules]] = [("", of_repository(root))]
    while left:
        folder, rules = left.pop()
        try:
            with os.scandir(root / folder) as scanned:
                listing = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            found.omit(folder or ".", error.strerror or "can't be read")
            continue
        present = {entry.name for entry in listing if entry.name in _LOOKED_FOR}
        if folder and not present.isdisjoint(_APART):
            continue
        if not present.isdisjoint(IGNORE_FILES):
            lines = lines_of(root / folder, [name for name in IGNORE_FILES if name in present])
            rules = rules.below(lines, skip=len(folder) + 1 if folder else 0)
        known = cache.folders.get(folder) or FolderState()
        state = FolderState(rules.key)
        found.folders[folder] = state
        below = []
        for entry, verdict in _judged(folder, listing, rules, known, state):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if verdict:
                found.omit(path, verdict)
            elif verdict is None:
                if entry.is_dir(follow_symlinks=False):
                    below.append((path, rules))
                else:
                    _look_at(entry, path, known, state, found)
        left += reversed(below)
        entries += len(listing)
        if entries > MAX_ENTRIES:
            found.notes.append(
                f"The folder has more than {MAX_ENTRIES:,} entries; only the first were looked at."
                " Put the notebook into a folder of its own, or add lines to .amlignore."
            )
            break
    return found


_LOOKED_FOR = frozenset((*IGNORE_FILES, *_APART))


def _judged(
    folder: str,
    listing: "list[os.DirEntry[str]]",
    rules: Rules,
    known: FolderState,
    state: FolderState,
) -> "Iterator[tuple[os.DirEntry[str], str | None]]":
    """Each entry and why it is left out; verdicts of the last walk hold while the rules do."""
    start = f"{folder}/" if folder else ""
    holds = known.key == rules.key
    for entry in listing:
        is_folder = entry.is_dir(follow_symlinks=False)
        name = f"{entry.name}/" if is_folder else entry.name
        if holds and name in known.files:
            verdict = None
        elif holds and name in known.verdicts:
            verdict = known.verdicts[name]
        else:
            verdict = rules.verdict(start + entry.name, is_folder=is_folder)
        if verdict is not None:
            state.verdicts[name] = verdict
        yield entry, verdict


def _look_at(
    entry: "os.DirEntry[str]", path: str, known: FolderState, state: FolderState, found: Walk
) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
        shown, raw = names.shown(path)
        if shown in found.files:
            raise FileExistsError(0, f"has the same name as another file: {shown}")
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(entry.path)  # noqa: PTH115 - the name as it is
            if leads_out(path, target):
                found.omit(path, f"is a link that leads out of the folder: {target}")
            else:
                found.files[shown] = Found(shown, raw, path, status, state, target=target)
        elif not stat.S_ISREG(status.st_mode):
            found.omit(path, "is not a plain file")
        elif status.st_size > MAX_FILE:
            found.omit(path, f"is larger than {MAX_FILE // 1024**2} MiB", status.st_size)
        else:
            before = known.files.get(entry.name)
            digest = before.digest if before is not None and before.is_of(status) else None
            if before is not None and digest is not None:
                state.files[entry.name] = before
            found.files[shown] = Found(shown, raw, path, status, state, digest)
    except OSError as error:
        found.omit(path, error.strerror or "can't be read")
    except WorkspaceError as error:
        found.omit(path, error.message)
