"""Artifacts on their way back to a user's folder."""

from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import NotFound, WorkspaceError


def test_all_below_a_name_is_copied_under_its_names(ws: Workspace, tmp_path: Path) -> None:
    with ws.experiment("e").start_logging() as run:
        for name in ("plots/a.txt", "plots/deep/b.txt", "model.bin"):
            run.upload_file(name, __file__)
    found = run.download_files("plots/", tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in found] == [
        "plots/a.txt",
        "plots/deep/b.txt",
    ]
    assert all(path.read_bytes() == Path(__file__).read_bytes() for path in found)
    assert len(run.download_files(output_directory=tmp_path / "all")) == 3
    with pytest.raises(NotFound):
        run.download_files("nothing/")


def test_what_was_there_stays_where_a_content_is_lost(ws: Workspace, tmp_path: Path) -> None:
    with ws.experiment("e").start_logging() as run:
        digest = run.upload_file("big.bin", __file__).digest
    target = tmp_path / "big.bin"
    target.write_text("mine")
    for kept in (Path(ws.location) / "blobs").rglob(f"*{digest[4:]}"):
        kept.write_bytes(b"x" * kept.stat().st_size)
    with pytest.raises(WorkspaceError):
        run.download_file("big.bin", target)
    assert target.read_text() == "mine"
    assert list(tmp_path.glob("*.part")) == list(tmp_path.glob(".*.part")) == []
