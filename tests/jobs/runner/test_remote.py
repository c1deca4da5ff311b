"""A runner on another machine does what one beside the workspace does."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ml_workspace_lab import CommandConfig, NotebookRunConfig, ScriptRunConfig
from ml_workspace_lab.experiments.model import RunState
from tests.jobs.runner.harness import Config, Far
from tests.notebooks import write_notebook

Make = Callable[[Config], Far]

SCRIPT = """
import os, sys
from pathlib import Path
from ml_workspace_lab import Run
run = Run.get_context()
for step in range(1000):
    run.log("loss", 1 / (step + 1), step)
    print("line", step)
print("to the error stream", file=sys.stderr)
run.tag("seen", "yes")
Path("outputs", "model.bin").write_bytes(b"m" * 100_000)
Path("logs", "train.log").write_text("trained\\n")
run.upload_file("by-hand.txt", __file__)
print("token" in str(os.environ.get("ML_WORKSPACE_TICKET_FILE", "gone")))
"""


def code(folder: Path, text: str = SCRIPT) -> Path:
    there = folder / "code"
    there.mkdir(exist_ok=True)
    (there / "train.py").write_text(text)
    return there


def test_a_script_logs_prints_and_leaves_outputs(far: Make, tmp_path: Path) -> None:
    one = far(ScriptRunConfig(code(tmp_path), "train.py"))
    assert one.start().wait(120) == 0, one.engine_log()
    run = one.run
    assert run.info().state is RunState.COMPLETED, run.info().reason
    assert run.get_metric_history("loss").steps.tolist() == list(range(1000))
    lines = run.get_log().splitlines()
    assert [line for line in lines if line.startswith("line")] == [
        f"line {step}" for step in range(1000)
    ]
    assert "to the error stream" in lines
    assert run.info().tags == {"seen": "yes"}
    assert run.read_artifact("outputs/model.bin") == b"m" * 100_000
    assert {"logs/train.log", "by-hand.txt"} <= set(run.get_file_names())
    assert [change.state for change in run.workspace.connection.runs.history(run.id).items] == [
        "NotStarted", "Queued", "Starting", "Preparing", "Running", "Finalizing", "Completed",
    ]  # fmt: skip
    assert not list(one.spool.glob("attempts/*")), "nothing is left there"


def test_a_notebook_is_seen_while_it_runs_and_kept(far: Make, tmp_path: Path) -> None:
    folder = code(tmp_path)
    source = "from ml_workspace_lab import Run\nRun.get_context().log('x', 7)\nprint('hello')"
    write_notebook(folder / "nb.ipynb", source, "2 + 3")
    one = far(NotebookRunConfig(folder, "nb.ipynb"))
    assert one.start().wait(120) == 0, one.engine_log()
    info = one.run.info()
    assert info.state is RunState.COMPLETED, info.reason
    assert info.progress is not None
    assert (info.progress.done, info.progress.total) == (2, 2)
    assert one.run.get_metrics() == {"x": 7}
    assert "hello" in one.run.get_log()
    notebook = json.loads(one.run.read_artifact("output.ipynb"))
    assert notebook["cells"][2]["outputs"][0]["data"]["text/plain"] == ["5"]
    shown = one.run.workspace.connection.artifacts.notebook(one.run.id)
    assert shown == notebook


def test_an_exit_code_and_a_signal_are_told(far: Make, tmp_path: Path) -> None:
    folder = code(tmp_path)
    failed = far(CommandConfig(folder, ["sh", "-c", "echo out; exit 7"]))
    assert failed.start().wait(60) == 0
    assert failed.run.info().reason == "The program ended with exit code 7."
    killed = far(CommandConfig(folder, ["sh", "-c", "kill -9 $$"]))
    assert killed.start().wait(60) == 0
    assert "killed by signal 9 (SIGKILL)" in killed.run.info().reason
    attempts = killed.run.workspace.connection.attempts
    told = attempts.list(killed.run.id).items[0]
    assert (told.state, told.signal, told.exit_code) == ("Failed", 9, None)
    assert attempts.list(failed.run.id).items[0].exit_code == 7


def test_a_second_process_for_the_attempt_leaves_and_touches_nothing(
    far: Make, tmp_path: Path
) -> None:
    one = far(CommandConfig(code(tmp_path), ["sh", "-c", "echo begun; sleep 2; echo over"]))
    ticket = one.ticket()
    first, second = one.start(ticket), one.start(ticket)
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert "is another process's" in one.engine_log()
    assert one.run.info().state is RunState.COMPLETED
    assert one.run.get_log() == "begun\nover\n"
    third = one.start(ticket)
    assert third.wait(60) == 0, "the same after the end"
    assert one.run.get_log() == "begun\nover\n"


def test_the_token_is_in_a_file_of_its_owner_and_nowhere_else(far: Make, tmp_path: Path) -> None:
    text = (
        "import os, stat\n"
        "path = os.environ['ML_WORKSPACE_TOKEN_FILE']\n"
        "secret = open(path).read()\n"
        "print('mode', oct(os.stat(path).st_mode & 0o777), oct(os.stat(os.path.dirname(path))"
        ".st_mode & 0o777))\n"
        "print('leaks', secret in str(dict(os.environ)))\n"
        "print('kind', secret.split('_')[1], 'ML_WORKSPACE_TICKET_FILE' in os.environ)\n"
        "import subprocess\n"
        "print('argv', secret in subprocess.run(['ps', 'axww'], capture_output=True, text=True)"
        ".stdout)\n"
    )
    one = far(ScriptRunConfig(code(tmp_path, text), "train.py"))
    assert one.start().wait(60) == 0, one.engine_log()
    assert one.run.get_log().splitlines() == [
        "mode 0o400 0o700",
        "leaks False",
        "kind run False",
        "argv False",
    ]


def test_a_runner_of_another_release_fails_the_run_and_says_so(far: Make, tmp_path: Path) -> None:
    one = far(CommandConfig(code(tmp_path), ["true"]))
    other = tmp_path / "other.py"
    other.write_text(
        "import sys\n"
        "from ml_workspace_lab.jobs import attempt_model\n"
        "attempt_model.PROTOCOL = 99\n"
        "from ml_workspace_lab.jobs.runner.__main__ import begin\n"
        "sys.exit(begin([]))\n"
    )
    environment = {
        **os.environ,
        "ML_WORKSPACE_TICKET_FILE": str(one.ticket()),
        "ML_WORKSPACE_SPOOL": str(one.spool),
    }
    ended = subprocess.run(
        [sys.executable, other], env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 78
    assert "protocol 99" in ended.stderr
    info = one.run.info()
    assert info.state is RunState.FAILED
    assert "protocol 99" in info.reason
    assert "of one release" in info.reason


MLFLOW = """
import json, os, urllib.request
from ml_workspace_lab import Run
uri = Run.get_context().workspace.get_mlflow_tracking_uri()
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "auc", "value": 0.9, "timestamp": 1}
request = urllib.request.Request(
    uri + "/api/2.0/mlflow/runs/log-metric",
    json.dumps(body).encode(),
    {
        "Content-Type": "application/json",
        "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"],
    },
)
print(urllib.request.urlopen(request).status)
"""


def test_the_protocol_of_mlflow_takes_the_token_of_the_run(far: Make, tmp_path: Path) -> None:
    one = far(ScriptRunConfig(code(tmp_path, MLFLOW), "train.py"))
    assert one.start().wait(120) == 0, one.engine_log()
    info = one.run.info()
    assert info.state is RunState.COMPLETED, one.run.get_log()
    assert info.metrics["auc"].last == 0.9
