"""Backups made while work goes on, and the drill: what they hold opens and is whole."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, WorkspaceError
from tests.conftest import Server, eventually

LOGGER = """
import sys
from ml_workspace_lab import Workspace
run = Workspace.open(sys.argv[1]).experiment("live").start_logging()
print(run.id, flush=True)
for step in range(10**9):
    run.log("loss", float(step), step)
    run.log("other", -float(step), step)
    if step % 10000 == 0:
        print(step, flush=True)
"""


def test_a_backup_opens_and_holds_everything(ws: Workspace, tmp_path: Path) -> None:
    with ws.experiment("e").start_logging() as run:
        run.log_params({"lr": 0.1})
        run.log("loss", 1.0)
        run.upload_file("a.txt", __file__)
    model = run.register_model("m", "a.txt")
    told = ws.backup(tmp_path / "copy")
    assert told.location == str(tmp_path / "copy")
    assert told.files > 3
    copy = Workspace.open(tmp_path / "copy")
    assert copy.info().workspace_id == ws.info().workspace_id
    kept = copy.run(run.id)
    assert (kept.params, kept.get_metrics()) == ({"lr": 0.1}, {"loss": 1.0})
    assert kept.read_artifact("a.txt") == Path(__file__).read_bytes()
    assert copy.models["m"].version == model.version
    assert [item.level for item in copy.diagnose().items if item.check == "database"] == [
        "Information"
    ]
    copy.experiment("e").start_logging().complete()
    assert len(ws.runs()) == 1, "the two go their own ways"


def test_what_was_logged_before_a_backup_began_is_in_it(ws: Workspace, tmp_path: Path) -> None:
    words = [sys.executable, "-c", LOGGER, ws.location]
    stop = threading.Event()
    contents: list[str] = []

    def upload() -> None:
        while not stop.wait(0.05):
            with ws.experiment("uploads").start_logging() as run:
                content = os.urandom(20_000)
                (tmp_path / "content").write_bytes(content)
                run.upload_file("random", tmp_path / "content")
                contents.append(hashlib.sha256(content).hexdigest())
        ws.close()

    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as logger:
        assert logger.stdout is not None
        run_id = logger.stdout.readline().strip()
        uploader = threading.Thread(target=upload)
        uploader.start()
        try:
            eventually(lambda: len(contents) > 5)
            acknowledged = 0
            for number in range(3):
                while acknowledged < 50_000 * (number + 1):
                    acknowledged = int(logger.stdout.readline())
                before = len(contents)
                ws.backup(tmp_path / f"copy{number}")
                check(tmp_path / f"copy{number}", run_id, acknowledged, contents[:before])
        finally:
            stop.set()
            uploader.join()
            logger.kill()
    eventually(lambda: ws.run(run_id).get_status() == "Failed")


def check(folder: Path, run_id: str, acknowledged: int, contents: list[str]) -> None:
    """Restore it: every acknowledged value is there once, in order, and every content is whole."""
    copy = Workspace.open(folder)
    run = copy.run(run_id)
    assert run.get_status() == "Failed", "whoever logged to it is not here"
    found = run.get_metrics()
    for name, sign in (("loss", 1), ("other", -1)):
        assert len(found[name]) > acknowledged
        assert found[name] == [sign * float(step) for step in range(len(found[name]))]
    kept = set()
    for one in copy.runs(experiment="uploads", limit=None):
        for artifact in one.get_artifacts():
            content = one.read_artifact(artifact.path)
            assert hashlib.sha256(content).hexdigest() == artifact.digest
            kept.add(artifact.digest)
    assert kept >= set(contents)
    copy.close()


def test_a_backup_goes_to_a_new_folder_outside(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(Conflict):
        ws.backup(tmp_path / "taken")
    with pytest.raises(InvalidInput, match="inside"):
        ws.backup(Path(ws.location) / "runs" / "copy")
    (tmp_path / "empty").mkdir()
    ws.backup(tmp_path / "empty")
    with pytest.raises(Conflict):
        ws.backup(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises((WorkspaceError, OSError)):
        ws.backup(tmp_path / "file" / "below")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_workspace_on_a_server_is_not_backed_up_from_afar(server: Server, tmp_path: Path) -> None:
    remote = server.connect()
    with pytest.raises(InvalidInput, match="on a server"):
        remote.backup(tmp_path / "copy")
    remote.close()
