"""The working directory of a run: filled from its snapshot, gathered into its artifacts."""

import os
from collections.abc import Iterator
from pathlib import Path

from ml_workspace_lab.experiments.artifacts import OUTPUT_NOTEBOOK
from ml_workspace_lab.jobs.runner.link import Link
from ml_workspace_lab.snapshots.layout import lay_out
from ml_workspace_lab.snapshots.model import SnapshotInfo
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.storage.files import disk_errors
from ml_workspace_lab.storage.storage import RunFolder

COLLECTED = ("outputs", "logs")


def materialise(blobs: Blobs, snapshot: SnapshotInfo, work: Path) -> None:
    """Copy the files of a snapshot into `work`, where the run may change them."""
    prepare(work)
    with disk_errors():
        lay_out(blobs, snapshot.files, work)


def prepare(work: Path) -> None:
    """The folder, with those in it that are kept at the end."""
    with disk_errors():
        for name in COLLECTED:
            (work / name).mkdir(mode=0o700, parents=True, exist_ok=True)


def collect(link: Link) -> list[str]:
    """Keep what the run left in `outputs/` and `logs/`, and its output notebook; what could not be
    kept, with the reason."""
    problems = []
    for name, path in artifacts(link.files):
        if path.is_symlink() or not path.is_file():
            problems.append(f"{name}: is not a plain file")
        else:
            link.keep(name, path)
    return problems + link.settle()


def artifacts(files: RunFolder) -> Iterator[tuple[str, Path]]:
    """What a run leaves that is kept, by name."""
    for collected in COLLECTED:
        for folder, _, names in os.walk(files.work / collected):
            for name in sorted(names):
                path = Path(folder) / name
                yield path.relative_to(files.work).as_posix(), path
    if files.notebook.exists():
        yield OUTPUT_NOTEBOOK, files.notebook
