"""The working directory of a run: filled from its snapshot, gathered into its artifacts."""

import os
from pathlib import Path

from ml_workspace_lab.experiments.artifacts import OUTPUT_NOTEBOOK
from ml_workspace_lab.jobs.runner.link import Link
from ml_workspace_lab.snapshots.layout import lay_out
from ml_workspace_lab.snapshots.model import SnapshotInfo
from ml_workspace_lab.storage.blobs import Blobs
from ml_workspace_lab.storage.files import disk_errors

COLLECTED = ("outputs", "logs")


def materialise(blobs: Blobs, snapshot: SnapshotInfo, work: Path) -> None:
    """Copy the files of a snapshot into `work`, where the run may change them."""
    with disk_errors():
        work.mkdir(mode=0o700, exist_ok=True)
        lay_out(blobs, snapshot.files, work)
        for name in COLLECTED:
            (work / name).mkdir(exist_ok=True)


def collect(link: Link) -> list[str]:
    """Keep what the run left in `outputs/` and `logs/`, and its output notebook; what could not be
    kept, with the reason."""
    problems = []
    work = link.files.work
    for collected in COLLECTED:
        for folder, _, files in os.walk(work / collected):
            for file in sorted(files):
                path = Path(folder) / file
                name = path.relative_to(work).as_posix()
                if path.is_symlink() or not path.is_file():
                    problems.append(f"{name}: is not a plain file")
                else:
                    link.keep(name, path)
    if link.files.notebook.exists():
        link.keep(OUTPUT_NOTEBOOK, link.files.notebook)
    return problems + link.settle()
