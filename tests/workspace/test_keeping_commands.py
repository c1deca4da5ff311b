"""`ml-workspace backup`, `recover` and `upgrade`."""

import json
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.cli.main import run


def test_a_workspace_is_backed_up_by_a_command(
    ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ws.experiment("e").start_logging().complete()
    target = tmp_path / "copy"
    assert run(["-w", ws.location, "-o", "json", "backup", str(target)]) == 0
    assert json.loads(capsys.readouterr().out)["location"] == str(target)
    assert len(Workspace.open(target).runs()) == 1
    assert run(["-w", ws.location, "backup", str(target)]) == 5
    assert "Name a new one" in capsys.readouterr().err


def test_what_is_left_of_a_workspace_is_recovered_by_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ws = Workspace.create("lab", tmp_path / "store")
    ws.experiment("e").start_logging().complete()
    ws.close()
    assert run(["-w", ws.location, "recover", str(tmp_path / "saved")]) == 0
    assert "run_history" in capsys.readouterr().out
    assert len(Workspace.open(tmp_path / "saved").runs()) == 1
    assert run(["-w", str(tmp_path / "none"), "recover", str(tmp_path / "again")]) == 3


def test_a_workspace_of_the_present_schema_needs_no_upgrade(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-w", ws.location, "upgrade"]) == 0
    assert "lab" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["recover", "x"], ["upgrade"]])
def test_a_workspace_on_a_server_is_kept_there(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-w", "http://127.0.0.1:1/", *command]) == 2
    assert "Do it on the machine" in capsys.readouterr().err
