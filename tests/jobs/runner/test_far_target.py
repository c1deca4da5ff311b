"""A compute target whose machines don't see the workspace's folder: from submit to end."""

from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, ScriptRunConfig, Workspace
from ml_workspace_lab.compute.model import AttachCompute
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.model import RunState
from tests.compute.conformance.runs import runner_of
from tests.compute.test_far import kind as kind  # processes that do not see the folder
from tests.conftest import SERVER, agents, end_agents, eventually
from tests.jobs.abandoned import Escape
from tests.jobs.runner.test_remote import code

TEXT = """
import os, time
from ml_workspace_lab import Run
run = Run.get_context()
run.log("x", 1)
print(os.environ["ML_WORKSPACE"].startswith("http://"), "ML_WORKSPACE_TICKET" in os.environ)
if "wait" in os.environ.get("WHAT", ""):
    time.sleep(1000)
"""


@pytest.fixture
def far_ws(ws: Workspace, kind: str, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ML_WORKSPACE_SERVER_IDLE_SECONDS", "1")
    ws.connection.computes.attach(AttachCompute("moon", kind, unchecked=True))
    return ws


def test_a_server_is_started_for_a_target_that_does_not_see_the_folder(
    far_ws: Workspace, tmp_path: Path
) -> None:
    config = ScriptRunConfig(code(tmp_path, TEXT), "train.py", compute_target="moon")
    run = far_ws.experiment("e").submit(config)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=90)
    assert info.state is RunState.COMPLETED, info.reason
    assert run.get_log() == "True False\n"
    assert run.get_metrics() == {"x": 1}
    log = Path(far_ws.location, "runs", run.id, "runner.log")
    assert not log.exists() or "mlws_" not in log.read_text()


def test_a_cancel_reaches_it(far_ws: Workspace, tmp_path: Path) -> None:
    config = ScriptRunConfig(
        code(tmp_path, TEXT), "train.py", compute_target="moon",
        environment_variables={"WHAT": "wait"},
    )  # fmt: skip
    run = far_ws.experiment("e").submit(config)
    eventually(lambda: run.get_log(), 90, "it runs")
    run.cancel()
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=60)
    assert info.state is RunState.CANCELED, info.reason


def test_a_server_that_is_killed_comes_back_for_the_runs_that_go_on(
    far_ws: Workspace, tmp_path: Path
) -> None:
    root, go = Path(far_ws.location), tmp_path / "go"
    (tmp_path / "empty").mkdir()
    words = ["sh", "-c", f"echo one; while [ ! -e {go} ]; do sleep 0.1; done; echo two"]
    run = far_ws.experiment("e").submit(
        CommandConfig(tmp_path / "empty", words, compute_target="moon")
    )
    eventually(lambda: run.get_log() == "one\n", 90, "it runs")
    end_agents(root)
    go.touch()
    wake(root)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=90)
    assert info.state is RunState.COMPLETED, info.reason
    assert run.get_log() == "one\ntwo\n"
    assert len(agents(root, SERVER)) == 1


def test_a_run_whose_runner_and_background_process_are_killed_has_its_end_with_nobody_there(
    far_ws: Workspace, tmp_path: Path
) -> None:
    escape = Escape(tmp_path)
    config = ScriptRunConfig(escape.code, "work.py", compute_target="moon")
    run = far_ws.experiment("e").submit(config)
    escape.await_pid()
    runner = runner_of(run)
    for process in (*agents(Path(far_ws.location)), runner):
        process.kill()
    eventually(lambda: run.get_status() is RunState.FAILED, 60, "it has its end")
    assert "killed by signal 9 (SIGKILL)" in run.info().reason
    escape.check_gone()


def test_what_a_run_is_given_reaches_it(far_ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make = "mkdir outputs/a; echo one >outputs/a/x; echo two >outputs/y"
    first = far_ws.experiment("e").submit(CommandConfig(tmp_path / "empty", ["sh", "-c", make]))
    show = 'cat "$0/a/x" "$AZURE_ML_INPUT_it/y" outputs/y; echo z >"$1/z"'
    words = ["sh", "-c", show, "${{inputs.it}}", "${{outputs.made}}"]
    config = CommandConfig(
        tmp_path / "empty", words, compute_target="moon",
        inputs={"it": first}, outputs=["made"], resume_from=first, after=[first],
    )  # fmt: skip
    run = far_ws.experiment("e").submit(config)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=90)
    assert info.state is RunState.COMPLETED, info.reason
    assert run.get_log() == "one\ntwo\ntwo\n"
    assert run.get_file_names() == ["outputs/a/x", "outputs/made/z", "outputs/y"]


def test_an_address_is_checked(ws: Workspace) -> None:
    with pytest.raises(InvalidInput) as refusal:
        ws.connection.computes.attach(AttachCompute("m", "local", workspace_url="ftp://x"))
    assert refusal.value.field == "workspace_url"
