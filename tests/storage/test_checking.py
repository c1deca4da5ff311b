"""Finding damaged contents, and putting them back from a copy."""

import os
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.storage.checking import check
from tests.experiments.trash_support import made, storage
from tests.snapshots.test_capture import write


def damage(path: Path, how: str) -> None:
    path.chmod(0o600)
    if how == "flipped":
        raw = bytearray(path.read_bytes())
        raw[3] ^= 1
        path.write_bytes(raw)
    elif how == "truncated":
        os.truncate(path, 3)
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["flipped", "truncated", "missing"])
def test_what_is_damaged_is_listed_with_who_needs_it_and_put_back(
    ws: Workspace, tmp_path: Path, how: str
) -> None:
    run = made(ws, "e", model=b"of the run" * 100, other=b"whole")
    write(tmp_path / "code", "a.py")
    (tmp_path / "code/b.py").write_bytes(b"packed" * 100)
    taken = ws.snapshots.take(tmp_path / "code")
    assert check(storage(ws)).items == []
    copy = tmp_path / "copy"
    ws.backup(tmp_path / "backup")
    shutil.copytree(tmp_path / "backup", copy)  # as on another disk: hard links are not kept
    artifact = next(one for one in run.get_artifacts() if one.path == "model")
    damage(storage(ws).blobs.path(artifact.digest), how)
    [pack] = (storage(ws).blobs.root / "packs").iterdir()
    damage(pack, how)

    found = check(storage(ws))
    users = {user for item in found.items for user in item.used_by}
    assert f"{run.id}/model" in users
    assert f"snapshot {taken.id[:12]}/a.py" in users or how == "truncated"
    assert {item.problem for item in found.items} == (
        {"missing"} if how == "missing" else {"its hash differs"}
    )
    assert run.read_artifact("other") == b"whole"

    repaired = check(storage(ws), copy)
    assert repaired.items
    assert all(item.repaired for item in repaired.items)
    assert check(storage(ws)).items == []
    assert run.read_artifact("model") == b"of the run" * 100
    assert ws.snapshots[taken.id].read("b.py") == b"packed" * 100
    assert ws.snapshots[taken.id].read("a.py") == b"a.py"


def test_the_command_says_what_stays_damaged(ws: Workspace, tmp_path: Path) -> None:
    digest, _ = storage(ws).blobs.add(BytesIO(b"content"))
    line = [sys.executable, "-m", "ml_workspace_lab.cli.main", "-w", ws.location, "check"]
    assert subprocess.run(line, capture_output=True, check=False).returncode == 0
    damage(storage(ws).blobs.path(digest), "flipped")
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    assert ended.returncode == 5
    assert digest in ended.stdout
    with pytest.raises(InvalidInput, match="no contents"):
        check(storage(ws), tmp_path)
