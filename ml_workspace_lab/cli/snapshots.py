"""`snapshot preview|take|restore|diff|read`: what needs folders of this machine."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.snapshots import Snapshot
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.snapshots.model import SnapshotInfo
from ml_workspace_lab.snapshots.preview import Preview, preview
from ml_workspace_lab.snapshots.restoring import Restored

_WHICH = "a snapshot's id, or that of a run"


def add_commands(nouns: dict[str, Any]) -> None:
    verbs = nouns["snapshot"]
    look = verbs.add_parser("preview", help="what a snapshot of a folder would hold, and its sizes")
    look.add_argument("folder", nargs="?", default=".", type=Path)
    look.set_defaults(act=_preview)

    take = verbs.add_parser("take", help="take a snapshot of a folder")
    take.add_argument("folder", nargs="?", default=".", type=Path)
    take.set_defaults(act=_take)

    restore = verbs.add_parser("restore", help="write a snapshot's files into a folder")
    restore.add_argument("snapshot", help=_WHICH)
    restore.add_argument("folder", type=Path)
    restore.add_argument("paths", nargs="*", help="files or folders of it; default: all")
    restore.add_argument("--overwrite", action="store_true", help="also over other files")
    restore.set_defaults(act=_restore)

    diff = verbs.add_parser("diff", help="how two snapshots differ, as a unified diff")
    diff.add_argument("before", help=_WHICH)
    diff.add_argument("after", help=_WHICH)
    diff.set_defaults(act=_diff)

    read = verbs.add_parser("read", help="print one file")
    read.add_argument("snapshot", help=_WHICH)
    read.add_argument("path")
    read.set_defaults(act=_read)


def _preview(options: argparse.Namespace) -> "Preview | str":
    found = preview(options.folder)
    return found if options.output == "json" else str(found)


def _take(options: argparse.Namespace) -> SnapshotInfo:
    return workspace(options).snapshots.take(options.folder).info


def _restore(options: argparse.Namespace) -> Restored:
    found = _snapshot(options, options.snapshot)
    return found.restore(options.folder, options.paths or None, overwrite=options.overwrite)


def _diff(options: argparse.Namespace) -> str:
    before, after = _snapshot(options, options.before), _snapshot(options, options.after)
    return str(before.diff(after)).rstrip("\n")


def _read(options: argparse.Namespace) -> None:
    sys.stdout.buffer.write(_snapshot(options, options.snapshot).read(options.path))


def _snapshot(options: argparse.Namespace, which: str) -> Snapshot:
    snapshots = workspace(options).snapshots
    if len(which) != 32:
        return snapshots[which]
    found = snapshots.of_run(which)
    if found is None:
        raise NotFound(f"Run {which} has no snapshot.", field="snapshot")
    return found
