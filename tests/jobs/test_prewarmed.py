"""Runs that start in processes which were started ahead are as those that start cold, and no
process is left behind, whichever of them is killed when."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ml_workspace_lab import NotebookRunConfig, Run, ScriptRunConfig, Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import agents, end_agents, eventually
from tests.jobs.warm import Spare, await_end, await_spare, find_spare, is_at_work, zygotes
from tests.notebooks import write_notebook

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc and prctl")

FACTS = """
import json, os, random, sys
print(json.dumps({
    "pid": os.getpid(), "parent": os.getppid(), "cwd": os.getcwd(), "first": sys.path[0],
    "run": os.environ["ML_WORKSPACE_RUN_ID"], "mine": os.environ.get("MINE"),
    "mark": os.environ["ML_WORKSPACE_RUN"], "random": random.random(), "known": "left" in dir(),
    "hashes": sys.flags.hash_randomization, "backend": os.environ.get("MPLBACKEND"),
    "shown": open("/proc/self/environ").read(), "words": open("/proc/self/cmdline").read(),
}))
left = 1
"""


@pytest.fixture
def root(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a workspace whose runs start in processes that were started ahead."""
    monkeypatch.setenv("ML_WORKSPACE_PREWARMED", "1")
    monkeypatch.setenv("ML_WORKSPACE_AGENT_IDLE_SECONDS", "60")
    yield Path(ws.location)
    before = [p for zygote in zygotes(Path(ws.location)) for p in (zygote, *zygote.children(True))]
    end_agents(Path(ws.location))
    await_end(before)


def submit(ws: Workspace, folder: Path, *sources: str, **options: Any) -> Run:
    write_notebook(folder / "nb.ipynb", *sources)
    return ws.experiment("e").submit(NotebookRunConfig(folder, "nb.ipynb", **options))


def facts(run: Run) -> dict[str, Any]:
    run.wait_for_completion(timeout_seconds=120)
    found: dict[str, Any] = json.loads(run.get_log())
    return found


def took(spare: Spare, known: dict[str, Any]) -> bool:
    """Whether the run was executed by the pair that waited."""
    return (known["pid"], known["parent"]) == (spare.kernel.pid, spare.runner.pid)


def test_a_run_takes_the_pair_that_waits_and_is_as_one_that_starts_cold(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    spare = await_spare(root)
    warm = submit(ws, tmp_path, FACTS, environment_variables={"MINE": "yes"})
    known = facts(warm)
    assert took(spare, known)
    cold = submit(ws, tmp_path, FACTS, environment_variables={"MINE": "yes"}, cold=True)
    other = facts(cold)
    assert not took(spare, other)
    for name in ("first", "mine", "known", "hashes", "backend"):
        assert known[name] == other[name], name
    for run, found in ((warm, known), (cold, other)):
        assert found["run"] == run.id
        assert found["mark"].startswith(f"{run.id}/1@")
        assert f"ML_WORKSPACE_RUN={run.id}/1@" in found["shown"], "others see whose it is"
        assert "ipykernel_launcher\0-f\0" in found["words"]
        assert found["cwd"] == str(root / "runs" / run.id / "work")
    assert known["random"] != other["random"]
    await_end([spare.runner, spare.kernel])


def test_a_pair_is_used_once(ws: Workspace, root: Path, tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        spare = await_spare(root)
        seen.append(facts(submit(ws, tmp_path, FACTS)))
        assert took(spare, seen[-1])
    assert seen[0]["pid"] != seen[1]["pid"]
    assert seen[0]["random"] != seen[1]["random"]
    assert not seen[1]["known"], "nothing of the first run is left"


def test_runs_at_once_have_processes_of_their_own(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    await_spare(root)
    runs = [submit(ws, tmp_path, FACTS) for _ in range(4)]
    assert len({facts(run)["pid"] for run in runs}) == 4


def test_a_variable_that_is_read_at_the_start_gets_a_new_kernel(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    spare = await_spare(root)
    known = facts(submit(ws, tmp_path, FACTS, environment_variables={"PYTHONHASHSEED": "0"}))
    assert known["hashes"] == 0
    assert known["parent"] == spare.runner.pid
    assert known["pid"] != spare.kernel.pid
    await_end([spare.kernel])


def test_what_was_imported_ahead_and_has_changed_is_not_used(
    ws: Workspace, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site"
    (installed / "thing-1.dist-info").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(installed), *sys.path[1:]]))
    spare = await_spare(root)
    (installed / "thing-1.dist-info").rename(installed / "thing-2.dist-info")
    assert not took(spare, facts(submit(ws, tmp_path, FACTS)))
    await_end(spare.processes)
    newer = await_spare(root)
    assert took(newer, facts(submit(ws, tmp_path, FACTS))), "another zygote knows the new state"


def test_a_script_starts_in_a_runner_that_was_forked(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    spare = await_spare(root)
    (tmp_path / "s.py").write_text("import os, psutil; print(psutil.Process().parent().ppid())")
    run = ws.experiment("e").submit(ScriptRunConfig(tmp_path, "s.py"))
    run.wait_for_completion(timeout_seconds=60)
    assert int(run.get_log()) == spare.zygote.pid
    assert is_at_work(spare.kernel), "the kernel waits for a notebook"


@pytest.mark.parametrize("victim", ["zygote", "runner", "kernel"])
def test_killing_one_that_waits_costs_no_run(
    ws: Workspace, root: Path, tmp_path: Path, victim: str
) -> None:
    spare = await_spare(root)
    getattr(spare, victim).kill()
    assert facts(submit(ws, tmp_path, FACTS))["pid"] != spare.kernel.pid
    await_end([spare.runner, spare.kernel])


def test_killing_the_background_process_leaves_none_that_waits(ws: Workspace, root: Path) -> None:
    spare = await_spare(root)
    end_agents(root)
    await_end(spare.processes)


WAITS = """
import time
from pathlib import Path
while not Path(FOLDER, "enough").exists():
    time.sleep(0.02)
print("done")
"""


def test_a_run_goes_on_when_the_zygote_that_forked_it_is_killed(
    ws: Workspace, root: Path, tmp_path: Path
) -> None:
    spare = await_spare(root)
    run = submit(ws, tmp_path, WAITS.replace("FOLDER", repr(str(tmp_path))))
    eventually(lambda: run.get_status() is RunState.RUNNING, 60)
    spare.zygote.kill()
    eventually(lambda: zygotes(root) != [spare.zygote], 60)
    (tmp_path / "enough").touch()
    assert run.wait_for_completion(timeout_seconds=60).state is RunState.COMPLETED
    assert run.get_log() == "done\n"


@pytest.mark.parametrize("victim", ["runner", "kernel"])
def test_killing_a_pair_at_work_fails_the_run_with_the_signal(
    ws: Workspace, root: Path, tmp_path: Path, victim: str
) -> None:
    spare = await_spare(root)
    run = submit(ws, tmp_path, WAITS.replace("FOLDER", repr(str(tmp_path))))
    eventually(lambda: run.get_status() is RunState.RUNNING, 60)
    getattr(spare, victim).kill()
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=60)
    assert info.state is RunState.FAILED
    assert "killed by signal 9 (SIGKILL)" in info.reason
    await_end([spare.runner, spare.kernel])


def test_a_spare_that_nobody_wants_is_given_up(
    ws: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ML_WORKSPACE_PREWARMED_IDLE_SECONDS", "3")
    spare = await_spare(root)
    await_end([spare.runner, spare.kernel])
    assert find_spare(root) is None
    assert is_at_work(spare.zygote)
    run = submit(ws, tmp_path, FACTS)
    assert psutil.Process(spare.zygote.pid) == spare.zygote
    facts(run)
    assert agents(root)
    await_spare(root)
