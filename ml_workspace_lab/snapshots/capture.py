"""Which files of a folder make a snapshot, and which are left out and why."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput, WorkspaceError
from ml_workspace_lab.snapshots.model import OmittedFile
from ml_workspace_lab.storage.engine import is_workspace
from ml_workspace_lab.storage.paths import relative

MAX_FILE = 64 * 1024 * 1024
MAX_TOTAL = 300 * 1024 * 1024
MAX_FILES = 5_000
MAX_ENTRIES = 50_000
"""Where a folder has more entries than this (a home folder, say), the walk stops and says so."""

IGNORE_FILES = (".gitignore", ".amlignore")
DEFAULT_IGNORES = """
.git/
.hg/
.svn/
.venv/
__pycache__/
*.pyc
.ipynb_checkpoints/
.mypy_cache/
.pytest_cache/
.ruff_cache/
.tox/
node_modules/
.mlworkspace/
.azureml/
outputs/
logs/
.DS_Store
# what may hold secrets
.env
.env.*
.netrc
.pypirc
.git-credentials
.aws/
.ssh/
*.pem
*.key
id_rsa*
id_ed25519*
"""


@dataclass
class Capture:
    """The contents to keep by path: a file to read, or bytes that stand for one."""

    sources: dict[str, Path | bytes] = field(default_factory=dict)
    omitted: list[OmittedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def capture(root: Path, overrides: Mapping[str, bytes] | None = None) -> Capture:
    """What a snapshot of the folder `root` holds; `overrides` replace or add files by path.

    A file that is too large, odd or unreadable is left out and named; it is never a reason to
    refuse. Raises InvalidInput where `root` is no folder.
    """
    if not root.is_dir():
        raise InvalidInput(f"There is no folder {str(root)!r}.", field="source_directory")
    found = Capture()
    sizes: dict[str, int] = {}
    for path, entry in _walk(root, found):
        if reason := _refusal(path, entry):
            # A name that is no text is shown as far as it can be.
            shown = path.encode("utf-8", "backslashreplace").decode()
            found.omitted.append(OmittedFile(shown, reason))
        else:
            found.sources[path] = Path(entry.path)
            sizes[path] = entry.stat().st_size
    _fit(found, sizes, keep=frozenset(overrides or ()))
    found.sources |= {relative(path): content for path, content in (overrides or {}).items()}
    return found


def _walk(root: Path, found: Capture) -> "Iterator[tuple[str, os.DirEntry[str]]]":
    ignored = _ignore_rules(root)
    entries = 0
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            listing = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            found.omitted.append(OmittedFile(folder or ".", error.strerror or "can't be read"))
            continue
        for entry in listing:
            entries += 1
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if not ignored(path + "/") and not _is_apart(Path(entry.path)):
                    folders.append(path)
            elif not ignored(path):
                yield path, entry
        if entries > MAX_ENTRIES:
            found.notes.append(
                f"The folder has more than {MAX_ENTRIES:,} entries; only the first were looked at."
                " Put the notebook into a folder of its own, or add lines to .amlignore."
            )
            return


def _ignore_rules(root: Path) -> Any:
    """The defaults, `.gitignore` and `.amlignore` together: a later `!line` takes files back in."""
    from pathspec import GitIgnoreSpec

    lines = DEFAULT_IGNORES.splitlines()
    for name in IGNORE_FILES:
        file = root / name
        if file.is_file():
            lines += file.read_text(encoding="utf-8", errors="replace").splitlines()
    return GitIgnoreSpec.from_lines(lines).match_file


def _is_apart(folder: Path) -> bool:
    """A virtual environment, or the store of a workspace: never part of the code."""
    return (folder / "pyvenv.cfg").exists() or is_workspace(folder)


def _refusal(path: str, entry: "os.DirEntry[str]") -> str:
    try:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            return "is a link"
        if not stat.S_ISREG(status.st_mode):
            return "is not a plain file"
        if status.st_size > MAX_FILE:
            return f"is larger than {MAX_FILE // 1024**2} MiB"
        if not os.access(entry.path, os.R_OK):
            return "can't be read"
        relative(path)
    except OSError as error:
        return error.strerror or "can't be read"
    except WorkspaceError as error:
        return error.message
    return ""


def _fit(found: Capture, sizes: Mapping[str, int], keep: frozenset[str]) -> None:
    """Leave the largest files out until the rest is within the limits."""
    total = sum(sizes.values())
    by_size = sorted((path for path in sizes if path not in keep), key=lambda path: -sizes[path])
    for path in by_size:
        if total <= MAX_TOTAL and len(found.sources) <= MAX_FILES:
            return
        del found.sources[path]
        total -= sizes[path]
        limit = f"{MAX_TOTAL // 1024**2} MiB or {MAX_FILES:,} files"
        found.omitted.append(OmittedFile(path, f"the snapshot would be over {limit}"))
