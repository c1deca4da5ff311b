"""The queue: who waits for whom, who is tried again, what a fault leaves behind."""

from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import CommandConfig, Run, Workspace
from ml_workspace_lab.access.model import Principal
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.compute.model import Quotas, Resources, UpdateCompute
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.model import After, Retry
from ml_workspace_lab.jobs.runner.direct import DirectLink
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import FileLock
from ml_workspace_lab.workspace import folder
from tests.conftest import eventually


def submit(ws: Workspace, folder: Path, code: str, **more: Any) -> Run:
    (folder / "code").mkdir(exist_ok=True)
    config = CommandConfig(folder / "code", ["sh", "-c", code], **more)
    return ws.experiment("e").submit(config)


def end_of(run: Run) -> Any:
    return run.wait_for_completion(raise_on_error=False, timeout_seconds=120)


def one_at_a_time(ws: Workspace) -> None:
    ws.connection.computes.update("local", UpdateCompute(quotas=Quotas(max_running=1)))


def test_a_run_waits_until_those_before_it_have_succeeded(ws: Workspace, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    first = submit(ws, tmp_path, f"sleep 0.5; echo 1 >>{lines}")
    second = submit(ws, tmp_path, f"echo 2 >>{lines}", after=[first])
    assert second.info().reason == "Waiting for 1 other run."
    assert end_of(second).state is RunState.COMPLETED
    assert lines.read_text() == "1\n2\n"


def test_a_failure_cancels_those_that_need_its_success_and_no_others(
    ws: Workspace, tmp_path: Path
) -> None:
    first = submit(ws, tmp_path, "exit 1")
    needs = submit(ws, tmp_path, "true", after=[first])
    further = submit(ws, tmp_path, "true", after=[needs])
    always = submit(ws, tmp_path, "true", after=[After(first.id, "ended")])
    assert end_of(always).state is RunState.COMPLETED
    for run, upstream in ((needs, first), (further, needs)):
        assert end_of(run).state is RunState.CANCELED
        assert upstream.id in run.info().reason
    assert not ws.compute_targets["local"].get_active_runs()


def test_a_run_that_fails_is_tried_again_with_its_next_number(
    ws: Workspace, tmp_path: Path
) -> None:
    tries = tmp_path / "tries"
    code = f"ls work* left 2>/dev/null; touch left; echo a >>{tries}; [ $(wc -l <{tries}) = 3 ]"
    run = submit(ws, tmp_path, code, retry=Retry(5, backoff_seconds=0.1, factor=1.0))
    assert end_of(run).state is RunState.COMPLETED
    assert tries.read_text() == "a\n" * 3
    assert "left" not in run.get_log(), "each begins in a folder of its own"
    again = [change.reason for change in run.status_history if change.state == "Queued"][1:]
    assert [reason.split(":")[0] for reason in again] == ["Attempt 1 failed", "Attempt 2 failed"]


def test_a_cause_that_is_not_named_is_not_tried_again(ws: Workspace, tmp_path: Path) -> None:
    run = submit(ws, tmp_path, "exit 1", retry=Retry(5, ["lost"]))
    slow = submit(ws, tmp_path, "sleep 100", retry=Retry(5), timeout_seconds=0.5)
    for one in (run, slow):
        assert end_of(one).state is RunState.FAILED
        assert [c.state for c in one.status_history].count("Queued") == 1


def test_a_run_that_waits_for_its_next_attempt_can_be_canceled(
    ws: Workspace, tmp_path: Path
) -> None:
    run = submit(ws, tmp_path, "exit 1", retry=Retry(2, backoff_seconds=1000))
    eventually(lambda: "Attempt 2 follows in 1000 s" in run.info().reason, 60)
    run.cancel()
    assert run.get_status() is RunState.CANCELED
    eventually(lambda: not ws.compute_targets["local"].get_active_runs())


def test_the_urgent_go_first_and_users_take_turns(ws: Workspace, tmp_path: Path) -> None:
    one_at_a_time(ws)
    lines, go = tmp_path / "lines", tmp_path / "go"
    assert isinstance(ws.connection, LocalConnection)
    storage = ws.connection.storage
    anna, bob = (Workspace(LocalConnection(storage, Principal(n, "Owner"))) for n in ("a", "b"))
    first = submit(anna, tmp_path, f"while [ ! -e {go} ]; do sleep 0.05; done")
    eventually(lambda: first.get_status() is RunState.RUNNING, 60)
    for name, priority in (("a1", 0), ("a2", 0), ("a3", 5)):
        submit(anna, tmp_path, f"echo {name} >>{lines}", priority=priority)
    for name in ("b1", "b2"):
        submit(bob, tmp_path, f"echo {name} >>{lines}")
    go.touch()
    for run in ws.runs():
        assert end_of(run).state is RunState.COMPLETED
    assert lines.read_text().split() == ["b1", "a3", "b2", "a1", "a2"]


def test_what_does_not_fit_waits_and_what_never_fits_is_refused(
    ws: Workspace, tmp_path: Path
) -> None:
    cores = ws.compute_targets["local"].list_nodes()[0].cores
    go = tmp_path / "go"
    first = submit(
        ws, tmp_path, f"while [ ! -e {go} ]; do sleep 0.05; done", resources=Resources(cores)
    )
    eventually(lambda: first.get_status() is RunState.RUNNING, 60)
    second = submit(ws, tmp_path, "true", resources=Resources(1))
    assert second.get_status() is RunState.QUEUED
    go.touch()
    assert end_of(second).state is RunState.COMPLETED
    ended = first.info().ended
    started = second.info().started
    assert ended is not None
    assert started is not None
    assert started >= ended
    for wanted, field in (
        (Resources(cores + 1), "resources.cores"),
        (Resources(memory_bytes=2**50), "resources.memory_bytes"),
        (Resources(gpus=1000), "resources.gpus"),
        (Resources(nodes=2), "resources.nodes"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            submit(ws, tmp_path, "true", resources=wanted)
        assert refusal.value.field == field


def test_all_are_canceled_at_once(ws: Workspace, tmp_path: Path) -> None:
    runs = [submit(ws, tmp_path, "sleep 1000") for _ in range(5)]
    eventually(lambda: runs[0].get_status() is RunState.RUNNING, 60)
    assert ws.cancel_runs(experiment="another") == 0
    assert ws.cancel_runs(experiment="e", compute_target="local") == 5
    assert {end_of(run).state for run in runs} == {RunState.CANCELED}
    assert ws.cancel_runs() == 0


def test_a_cancel_between_two_steps_of_a_runner_is_no_failure(
    ws: Workspace, tmp_path: Path
) -> None:
    run = submit(ws, tmp_path, "sleep 60")
    eventually(lambda: run.get_status() is RunState.RUNNING)
    services = Services(folder.open_(Path(ws.location)))
    job = store.find(services.storage.database, run.id)
    assert job is not None
    link = DirectLink(services, job, FileLock(tmp_path / "lock"), "", handed_over=False)
    run.cancel()
    link.move(RunState.FINALIZING)
    assert end_of(run).state is RunState.CANCELED
