"""Notebooks, scripts and commands as jobs: from the queue to their one true end."""

import json
import os
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import CommandConfig, NotebookRunConfig, Run, ScriptRunConfig, Workspace
from ml_workspace_lab.errors import Conflict, InvalidInput, RunFailed
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.processes import MARK
from tests.conftest import eventually, of_workspace
from tests.notebooks import write_notebook

LOGGING = "from ml_workspace_lab import Run\nrun = Run.get_context()\n"


def submit(ws: Workspace, folder: Path, *sources: str, **options: object) -> Run:
    parameters = options.pop("cell", None)
    write_notebook(folder / "nb.ipynb", *sources, parameters=parameters)  # type: ignore[arg-type]
    config = NotebookRunConfig(folder, "nb.ipynb", **options)  # type: ignore[arg-type]
    return ws.experiment("e").submit(config)


def test_a_notebook_is_executed_in_another_process(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("ANSWER = 42\n")
    run = submit(
        ws,
        tmp_path,
        LOGGING + "import os, helper\nrun.log('answer', helper.ANSWER); print(os.getpid())",
        "open('outputs/x.txt', 'w').write('x')",
    )
    info = run.wait_for_completion(timeout_seconds=60)
    assert [change.state for change in run.status_history] == [
        "NotStarted", "Queued", "Starting", "Preparing", "Running", "Finalizing", "Completed",
    ]  # fmt: skip
    assert run.get_metrics() == {"answer": 42}
    assert run.get_file_names() == ["output.ipynb", "outputs/x.txt"]
    assert info.progress is not None
    assert (info.progress.done, info.progress.total) == (2, 2)
    output = json.loads(run.read_artifact("output.ipynb"))
    printed = "".join(output["cells"][1]["outputs"][0]["text"])
    assert int(printed) != os.getpid()
    assert (tmp_path / "outputs").exists() is False, "the run works in a copy"
    eventually(lambda: not of_workspace(Path(ws.location)), what="no process is left")


def test_parameters_replace_their_defaults(ws: Workspace, tmp_path: Path) -> None:
    run = submit(
        ws,
        tmp_path,
        "print(repr((depth, name, rate, flag)))",
        cell="depth = 3\nname: str = 'a'\nrate = 0.5\nflag = False",
        parameters={"depth": 7, "name": 'it\'s "x"\n', "flag": True},
    )
    run.wait_for_completion(timeout_seconds=60)
    assert run.get_log() == "(7, 'it\\'s \"x\"\\n', 0.5, True)\n"
    assert run.params == {"depth": 7, "name": 'it\'s "x"\n', "flag": True}


@pytest.mark.parametrize(
    ("cell", "parameters", "field", "said"),
    [
        ("depth = 3", {"dept": 1}, "parameters.dept", "depth"),
        (None, {"depth": 1}, "parameters", "tagged `parameters`"),
        ("depth = ", {"depth": 1}, "parameters", "not Python"),
    ],
)
def test_a_parameter_that_is_not_declared_is_refused(
    ws: Workspace, tmp_path: Path, cell: str | None, parameters: dict, field: str, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said) as refusal:
        submit(ws, tmp_path, "1", cell=cell, parameters=parameters)
    assert refusal.value.field == field
    assert ws.runs() == []


def test_bad_submissions_are_refused_before_anything_is_queued(
    ws: Workspace, tmp_path: Path
) -> None:
    experiment = ws.experiment("e")
    (tmp_path / "not.ipynb").write_text("[1, 2]")
    write_notebook(tmp_path / "no-kernel.ipynb", "1", kernel="no-such-kernel")
    bad = [
        (NotebookRunConfig(tmp_path, "missing.ipynb"), "notebook"),
        (NotebookRunConfig(tmp_path, "not.ipynb"), "notebook"),
        (NotebookRunConfig(tmp_path, "no-kernel.ipynb"), "kernel_name"),
        (NotebookRunConfig(tmp_path / "nowhere", "x.ipynb"), "notebook"),
        (ScriptRunConfig(tmp_path, "missing.py"), "script"),
        (ScriptRunConfig(tmp_path, "../conftest.py"), "script"),
        (CommandConfig(tmp_path, []), "command"),
        (CommandConfig(tmp_path, "echo hi"), "command"),
        (CommandConfig(tmp_path, ["echo"], compute_target="moon"), "compute_target"),
        (CommandConfig(tmp_path, ["echo"], timeout_seconds=0), "timeout_seconds"),
        (CommandConfig(tmp_path, ["echo"], timeout_seconds=1e300), "timeout_seconds"),
        (CommandConfig(tmp_path, ["echo", "a\0b"]), "job.command[1]"),
        (CommandConfig(tmp_path, ["echo"], python="a\0b"), "python"),
        (
            CommandConfig(tmp_path, ["echo"], environment_variables={"A": "\0"}),
            "environment_variables.A",
        ),
        (CommandConfig(tmp_path, ["echo"], python="/no/python"), "python"),
        (CommandConfig(tmp_path, ["echo"], display_name="x" * 10_000), "display_name"),
    ]
    for config, field in bad:
        with pytest.raises(Exception) as refusal:  # noqa: PT011
            experiment.submit(config)
        assert getattr(refusal.value, "field", None) == field, refusal.value
    assert ws.runs() == []


def test_the_cell_that_fails_is_the_reason(ws: Workspace, tmp_path: Path) -> None:
    run = submit(ws, tmp_path, "x = 1", "print('before')\nraise ValueError('no good')", "y = 2")
    with pytest.raises(RunFailed, match="Cell 2 of 3: ValueError: no good"):
        run.wait_for_completion(timeout_seconds=60)
    assert run.get_status() is RunState.FAILED
    assert "before" in run.get_log()
    assert "no good" in run.get_log()
    assert "output.ipynb" in run.get_file_names(), "what was executed is kept"


def test_log_metrics_and_notebook_grow_while_the_run_goes_on(ws: Workspace, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = submit(
        ws,
        tmp_path,
        "print('first cell')",
        LOGGING + f"import os, time\nrun.log('x', 1); print('now')\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)",
    )
    eventually(lambda: "now" in run.get_log())
    assert run.get_status() is RunState.RUNNING
    assert run.info().metrics["x"].last == 1

    def shown() -> str:
        return json.dumps(ws.connection.artifacts.notebook(run.id))

    eventually(lambda: "first cell" in shown() and "now" in shown())

    def done() -> int:
        progress = run.info().progress
        return progress.done if progress and progress.total == 2 else -1

    eventually(lambda: done() == 1)
    gate.touch()
    assert run.wait_for_completion(timeout_seconds=60).state is RunState.COMPLETED


def test_a_program_ends_with_its_exit_code(ws: Workspace, tmp_path: Path) -> None:
    experiment = ws.experiment("e")
    good = experiment.submit(CommandConfig(tmp_path, ["sh", "-c", "echo out; echo err >&2"]))
    bad = experiment.submit(CommandConfig(tmp_path, ["sh", "-c", "exit 3"]))
    killed = experiment.submit(CommandConfig(tmp_path, ["sh", "-c", "kill -9 $$"]))
    missing = experiment.submit(CommandConfig(tmp_path, ["no-such-program"]))
    assert good.wait_for_completion(timeout_seconds=60).state is RunState.COMPLETED
    assert good.get_log() == "out\nerr\n"
    for run, reason in [
        (bad, "exit code 3"),
        (killed, "signal 9 (SIGKILL)"),
        (missing, "could not be started"),
    ]:
        info = run.wait_for_completion(raise_on_error=False, timeout_seconds=60)
        assert info.state is RunState.FAILED
        assert reason in info.reason


def test_a_cancel_reaches_the_code_and_ends_all_its_processes(
    ws: Workspace, tmp_path: Path
) -> None:
    marker = tmp_path / "cleaned"
    run = submit(
        ws,
        tmp_path,
        "import subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)",
        "import time\nfrom pathlib import Path\nprint('in it')\n"
        f"try:\n    time.sleep(1000)\nfinally:\n    Path({str(marker)!r}).touch()",
    )
    eventually(lambda: "in it" in run.get_log())
    run.cancel()
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=30)
    assert info.state is RunState.CANCELED
    assert [c.state for c in run.status_history][-2:] == ["CancelRequested", "Canceled"]
    assert marker.exists(), "the cell was interrupted, not killed"
    eventually(lambda: not _sleepers(run), what="the detached child is ended too")


def _sleepers(run: Run) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK, "").startswith(f"{run.id}/1@"):
                found.append(process)
    return found


def test_a_run_that_waits_is_canceled_without_starting(ws: Workspace, tmp_path: Path) -> None:
    slots = ws.compute_targets["local"].info().slots
    busy = [
        ws.experiment("e").submit(CommandConfig(tmp_path, ["sleep", "1000"])) for _ in range(slots)
    ]
    waiting = ws.experiment("e").submit(CommandConfig(tmp_path, ["echo"]))
    for run in busy:
        eventually(lambda run=run: run.get_status() is RunState.RUNNING)
    assert waiting.get_status() is RunState.QUEUED
    waiting.cancel()
    info = waiting.wait_for_completion(raise_on_error=False, timeout_seconds=30)
    assert (info.state, info.started) == (RunState.CANCELED, None)
    for run in busy:
        run.cancel()
        run.wait_for_completion(raise_on_error=False, timeout_seconds=30)
    with pytest.raises(Conflict):
        waiting.cancel()


def test_a_run_over_its_time_limit_fails(ws: Workspace, tmp_path: Path) -> None:
    run = submit(ws, tmp_path, "import time\ntime.sleep(1000)", timeout_seconds=3)
    script = ws.experiment("e").submit(
        CommandConfig(tmp_path, ["sleep", "1000"], timeout_seconds=1)
    )
    for one in (run, script):
        info = one.wait_for_completion(raise_on_error=False, timeout_seconds=60)
        assert info.state is RunState.FAILED
        assert "time limit" in info.reason


def test_a_parameter_that_is_no_number_is_kept(ws: Workspace, tmp_path: Path) -> None:
    parameters = {"rate": float("nan"), "top": float("-inf")}
    run = submit(ws, tmp_path, "print(rate, top)", cell="rate = top = 0.0", parameters=parameters)
    run.wait_for_completion(timeout_seconds=60)
    assert run.get_log() == "nan -inf\n"


def test_a_child_that_hides_its_origin_is_ended_too(ws: Workspace, tmp_path: Path) -> None:
    code = (
        "import subprocess\np = subprocess.Popen(['sleep', '1000'], env={}, start_new_session=True)"
    )
    run = submit(ws, tmp_path, f"{code}\nprint(p.pid)")
    run.wait_for_completion(timeout_seconds=60)
    pid = int(run.get_log())
    eventually(lambda: not psutil.pid_exists(pid), what="the sleeper is ended")


def test_a_submission_that_is_repeated_runs_once(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    run = ws.experiment("e").submit(CommandConfig(tmp_path, ["echo", "hi"]))
    from ml_workspace_lab.jobs import store

    storage = ws.connection.storage  # type: ignore[attr-defined]
    job = store.find(storage.database, run.id)
    assert job is not None
    again = ws.connection.jobs.submit("e", job.submission)
    assert again.run_id == run.id
    assert len(ws.runs()) == 1
    run.wait_for_completion(timeout_seconds=60)
    assert run.get_log() == "hi\n"


def test_an_error_that_a_cell_expects_is_no_failure(ws: Workspace, tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "nb.ipynb", "1/0", "print('on')")
    content = json.loads(path.read_text())
    content["cells"][1]["metadata"]["tags"] = ["raises-exception"]
    content["cells"].append(
        {**content["cells"][1], "id": "x", "metadata": {"tags": ["interactive-only"]}}
    )
    path.write_text(json.dumps(content))
    run = ws.experiment("e").submit(NotebookRunConfig(tmp_path, "nb.ipynb"))
    run.wait_for_completion(timeout_seconds=60)
    assert "on" in run.get_log()


def test_many_submissions_are_numbered_in_order_and_all_end(ws: Workspace, tmp_path: Path) -> None:
    runs = [ws.experiment("e").submit(CommandConfig(tmp_path, ["true"])) for _ in range(12)]
    numbers = [run.number for run in runs]
    assert numbers == list(range(1, 13))
    for run in runs:
        run.wait_for_completion(timeout_seconds=60)
