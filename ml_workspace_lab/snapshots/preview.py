"""What a snapshot of a folder would hold, where its size comes from, and what to do about that."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from ml_workspace_lab.snapshots.capture import MAX_FILES, MAX_TOTAL, Capture, capture
from ml_workspace_lab.snapshots.model import OmittedFile

SHOWN = 10
_MIB = 1024**2


class FolderSize(Struct, frozen=True):
    """A folder (with `/` at its end) or a file: all that is in by it."""

    path: str
    size: int
    files: int


class Preview(Struct, frozen=True):
    """`tree` has the folders in order of their paths, `largest` what takes most, with the line for
    `.amlignore` that leaves it out (`largest[i]` by `lines[i]`)."""

    folder: str
    files: int
    size: int
    tree: list[FolderSize]
    largest: list[FolderSize]
    lines: list[str]
    omitted: list[OmittedFile]
    notes: list[str]

    def __str__(self) -> str:
        return "\n".join(_told(self))


def preview(folder: Path) -> Preview:
    """What a snapshot of `folder` would hold now; no file of it is read. Raises InvalidInput where
    there is no folder."""
    captured = capture(folder)
    sizes = _sizes(captured)
    dropped = [one for one in captured.omitted if one.size]
    largest = _largest(captured, dropped)
    return Preview(
        folder=str(captured.root),
        files=len(captured.files),
        size=sum(found.status.st_size for found in captured.files.values()),
        tree=[one for one in sizes if one.path.count("/") <= 2],
        largest=largest,
        lines=[ignore_line(one.path) for one in largest],
        omitted=captured.omitted,
        notes=captured.notes,
    )


def ignore_line(path: str) -> str:
    """The line of an ignore file that leaves exactly this out."""
    escaped = "".join(f"\\{sign}" if sign in "*?[]\\" else sign for sign in path)
    return f"/{escaped}" if not escaped.endswith(" ") else f"/{escaped[:-1]}\\ "


def advice(omitted: Iterable[OmittedFile]) -> str:
    """A note on what was left out for its size, with the lines to add; empty where nothing was."""
    dropped = sorted((one for one in omitted if one.size), key=lambda one: -one.size)
    if not dropped:
        return ""
    lines = ", ".join(f"`{ignore_line(one.path)}`" for one in dropped[:3])
    return (
        f"{len(dropped)} large files are not in the snapshot ({dropped[0].path} has"
        f" {dropped[0].size / _MIB:.0f} MiB). To leave them out without this note, add {lines}"
        " to .amlignore; `ml-workspace snapshot preview` shows what takes how much."
    )


def _sizes(captured: Capture) -> list[FolderSize]:
    size: dict[str, int] = defaultdict(int)
    files: dict[str, int] = defaultdict(int)
    for path, found in captured.files.items():
        at = 0
        while True:
            folder = path[:at]
            size[folder] += found.status.st_size
            files[folder] += 1
            following = path.find("/", at)
            if following < 0:
                break
            at = following + 1
    return [FolderSize(path or "./", size[path], files[path]) for path in sorted(size)]


def _largest(captured: Capture, dropped: list[OmittedFile]) -> list[FolderSize]:
    """What is left out for its size first, then what takes most of what is in."""
    out = [FolderSize(one.path, one.size, 1) for one in sorted(dropped, key=lambda o: -o.size)]
    found = sorted(captured.files.values(), key=lambda one: -one.status.st_size)
    within = [FolderSize(one.path, one.status.st_size, 1) for one in found]
    return (out + within)[:SHOWN]


def _told(found: Preview) -> list[str]:
    lines = [
        f"{found.folder}: {found.files:,} files, {found.size / _MIB:.1f} MiB"
        f" (of {MAX_FILES:,} files, {MAX_TOTAL / _MIB:.0f} MiB)"
    ]
    lines += [
        f"  {one.size / _MIB:9.2f} MiB {one.files:6,} files  {one.path}" for one in found.tree
    ]
    if found.largest:
        lines.append("Largest, and the line for .amlignore that leaves it out:")
        lines += [
            f"  {one.size / _MIB:9.2f} MiB  {line}"
            for one, line in zip(found.largest, found.lines, strict=True)
        ]
    if found.omitted:
        lines.append("Left out:")
        lines += [f"  {one.path}: {one.reason}" for one in found.omitted]
    return lines + found.notes
