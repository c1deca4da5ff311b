"""Writing the files of a snapshot back."""

import os
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.jobs.runner.workdir import materialise
from ml_workspace_lab.snapshots.links import leads_out
from ml_workspace_lab.snapshots.model import CreateSnapshot, SnapshotFile
from tests.experiments.trash_support import storage

NAMES = [b"plain.txt", "é.txt".encode(), "e\u0301.txt".encode(), b"back\\slash", b"line\nbreak"]
NAMES += [b"\xff\xfe latin", b"100%", b"A", b"a", b"deep/er/x", b" space ", b"C:drive"]


def tree(root: Path) -> dict[bytes, tuple[str, bytes]]:
    """Every file by its name's bytes: its kind and content."""
    found = {}
    top = os.fsencode(root)
    for folder, folders, files in os.walk(top):
        for name in [*files, *(f for f in folders if os.path.islink(os.path.join(folder, f)))]:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                kind, content = "link", os.readlink(path)
            else:
                with open(path, "rb") as file:
                    kind, content = "run" if os.access(path, os.X_OK) else "file", file.read()
            found[os.path.relpath(path, top)] = (kind, content)
    return found


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with names and kinds of files that break what is careless."""
    root = tmp_path / "odd"
    for number, name in enumerate(NAMES):
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(os.urandom(100 * number))
    (root / "script.sh").write_text("#!/bin/sh\n")
    (root / "script.sh").chmod(0o755)
    (root / "large").write_bytes(os.urandom(3_000_000))
    (root / "deep/link").symlink_to("../plain.txt")
    (root / "folder").symlink_to("deep/er")
    (root / "dangling").symlink_to("nowhere")
    return root


def test_a_restored_tree_is_equal_byte_for_byte(ws: Workspace, odd: Path, tmp_path: Path) -> None:
    taken = ws.snapshots.take(odd)
    assert taken.info.omitted == []
    assert taken.info.notes == ["A and a differ in case alone: some disks can't hold both."]
    result = ws.snapshots[taken.id].restore(tmp_path / "back")
    assert (result.written, result.unchanged) == (len(NAMES) + 5, 0)
    assert tree(tmp_path / "back") == tree(odd)
    materialise(storage(ws).blobs, taken.info, tmp_path / "work")
    assert tree(tmp_path / "work") == tree(odd)


def test_changed_files_are_not_written_over_without_a_word(
    ws: Workspace, odd: Path, tmp_path: Path
) -> None:
    taken = ws.snapshots.take(odd)
    (odd / "plain.txt").write_text("mine")
    (odd / "large").unlink()
    before = tree(odd)
    with pytest.raises(Conflict, match=r"1 files in .* are others than in the snapshot: plain.txt"):
        taken.restore(odd)
    assert tree(odd) == before
    assert taken.restore(odd, ["large"]).written == 1
    assert taken.restore(odd, ["plain.txt"], overwrite=True).written == 1
    assert taken.restore(odd).written == 0
    assert (odd / "plain.txt").read_bytes() == b""


def test_parts_of_it_are_restored(ws: Workspace, odd: Path, tmp_path: Path) -> None:
    taken = ws.snapshots.take(odd)
    assert taken.restore(tmp_path / "part", ["deep/er", "100%"]).written == 2
    assert set(tree(tmp_path / "part")) == {b"deep/er/x", b"100%"}
    with pytest.raises(NotFound):
        taken.restore(tmp_path / "part", ["none"])


def test_nothing_is_written_through_a_link(ws: Workspace, odd: Path, tmp_path: Path) -> None:
    taken = ws.snapshots.take(odd)
    (tmp_path / "outside").mkdir()
    (tmp_path / "back").mkdir()
    (tmp_path / "back/deep").symlink_to(tmp_path / "outside")
    with pytest.raises(InvalidInput, match="leads out"):
        taken.restore(tmp_path / "back", overwrite=True)
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "target", "out"),
    [
        ("a", "b", False),
        ("d/a", "../b", False),
        ("d/a", "../../b", True),
        ("a", "../b", True),
        ("a", "/etc/passwd", True),
        ("a", "b/../../c", True),
        ("a", "b/../c", True),  # where b leads decides
        ("a", "", True),
        ("a", "x\0", True),
        ("a", ".", False),
    ],
)
def test_which_links_lead_out(path: str, target: str, out: bool) -> None:
    assert leads_out(path, target) == out


@pytest.mark.parametrize(
    "paths",
    [["a", "a"], ["a", "a-b", "a/c"], ["a/b/c", "a"]],
)
def test_files_that_can_not_be_beside_each_other_are_refused(
    ws: Workspace, paths: list[str]
) -> None:
    with storage(ws).blobs.packing() as packing:
        digest = packing.add(b"x")
    with pytest.raises(InvalidInput, match="twice"):
        ws.connection.snapshots.create(CreateSnapshot([SnapshotFile(p, digest, 1) for p in paths]))


@pytest.mark.parametrize(
    "file",
    [
        {"path": "l", "link": True},
        {"path": "%2E%2E/x", "raw": b"../x".hex()},
        {"path": "x", "raw": b"y".hex()},
        {"path": "x", "raw": "zz"},
        {"path": "x%00", "raw": b"x\0".hex()},
    ],
)
def test_a_hostile_list_of_files_is_refused(ws: Workspace, file: dict[str, object]) -> None:
    with storage(ws).blobs.packing() as packing:
        digest = packing.add(b"../../etc")
    with pytest.raises(InvalidInput):
        ws.connection.snapshots.create(
            CreateSnapshot([SnapshotFile(digest=digest, size=9, **file)])  # type: ignore[arg-type]
        )
