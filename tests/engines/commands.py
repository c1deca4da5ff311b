"""What a user does with a cluster by the command line alone, on every engine."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_workspace_lab import Workspace
from tests.waiting import eventually


def walk(ws: Workspace, folder: Path, attach: Sequence[str]) -> None:
    """Attach a target by the words `attach`, run something there, read its log while it goes on,
    cancel it, let something else complete, and detach the target."""
    folder.mkdir()
    ws.write_config(folder)

    def command(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ml_workspace_lab.cli.main", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def state(run: str) -> str:
        return str(json.loads(command("-o", "json", "runs", "show", run))["state"])

    made = json.loads(command("-o", "json", "compute", "attach", "there", *attach))
    assert made["state"] == "Running"
    assert json.loads(command("-o", "json", "compute", "nodes", "there"))
    words = ["run", "--compute", "there", "--", "sh", "-c", "echo it begins; sleep 1000"]
    run = json.loads(command("-o", "json", *words))["run_id"]
    eventually(lambda: command("runs", "log", run) == "it begins\n", 60, "its log can be read")
    assert run in command("compute", "runs", "there")
    command("runs", "cancel", run)
    eventually(lambda: state(run) == "Canceled", 60, "it is canceled")
    followed = command("run", "--compute", "there", "--follow", "--", "sh", "-c", "echo all of it")
    assert "all of it" in followed
    eventually(lambda: run not in command("compute", "runs", "there"), what="nothing is left")
    command("compute", "detach", "there")
