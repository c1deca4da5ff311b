"""The command as a process of its own: signals, pipes and the entry point."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from ml_workspace_lab import Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually

COMMAND = [sys.executable, "-m", "ml_workspace_lab.cli.main"]


def start(ws: Workspace, folder: Path, *words: str) -> "subprocess.Popen[str]":
    def listen_to_interrupts() -> None:
        # Tests that a shell started in the background inherit that interrupts are ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(
        [*COMMAND, "-w", ws.location, *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=listen_to_interrupts,
    )  # fmt: skip


def test_an_interrupt_leaves_the_run_going_and_says_so(ws: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    process = start(ws, folder, "run", "-f", "--", "sh", "-c", "echo started; sleep 1000")
    run = eventually(lambda: next((r for r in ws.runs() if "started" in r.get_log()), None))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert f"ml-workspace runs cancel {run.id}" in err
    assert run.get_status() is RunState.RUNNING
    ended = start(ws, folder, "-o", "json", "runs", "cancel", run.id)
    out, err = ended.communicate(timeout=20)
    assert (ended.returncode, err) == (0, "")
    assert json.loads(out)["state"] in ("CancelRequested", "Canceled")
    eventually(lambda: run.get_status() is RunState.CANCELED)


def test_a_reader_that_leaves_is_no_error(ws: Workspace, tmp_path: Path) -> None:
    process = start(ws, tmp_path, "-o", "json", "audit")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=20)
    assert "Traceback" not in err


def test_the_exit_code_reaches_the_shell(ws: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    script = Path(sys.executable).with_name("ml-workspace")
    for words, code in [(["show"], 0), (["run"], 2), (["model", "show", "m", "1"], 3)]:
        done = subprocess.run(
            [script, "-w", ws.location, *words], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr


def test_data_comes_from_the_input_stream(ws: Workspace, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "-w", ws.location, "-o", "json", "endpoint", "score", "none-such", "-"],
        cwd=tmp_path, input="not json", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (2, 3)
    assert json.loads(done.stderr)["error_code"] in ("InvalidInput", "NotFound")


def test_a_script_gets_the_options_after_two_dashes(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "s.py").write_text(
        "import sys; sys.stdout.buffer.write(f'{sys.argv[1:]} é ✓'.encode())"
    )
    words = [*COMMAND, "-w", ws.location, "run", "s.py", "a", "-f", "--", "--rate", "0.1", "-n"]
    done = subprocess.run(
        words, cwd=tmp_path / "project", capture_output=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"['a', '--rate', '0.1', '-n'] ? ?" in done.stdout


def test_the_output_can_be_chosen_after_every_command(ws: Workspace, tmp_path: Path) -> None:
    for line in ("show -o json", "runs list -o json", "runs -o json list"):
        words = line.split()
        done = subprocess.run(
            [*COMMAND, "-w", ws.location, *words], capture_output=True, check=True, cwd=tmp_path
        )
        json.loads(done.stdout)
