"""One folder, several processes of one machine: two servers, one background process by a lock."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, Run, Workspace
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import agents, end_agents, eventually
from tests.faults.servers import Server

JOBS = 6


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    server = Server(root)
    try:
        yield server
    finally:
        server.kill()


def submit(ws: Workspace, folder: Path, code: str) -> Run:
    (folder / "code").mkdir(exist_ok=True)
    return ws.experiment("e").submit(CommandConfig(folder / "code", ["sh", "-c", code]))


def test_what_is_written_through_two_servers_is_there_once(ws: Workspace) -> None:
    root = Path(ws.location)

    def work(through: Workspace, number: int) -> str:
        with through.experiment("e").start_logging(f"run {number}") as run:
            run.log_params({"number": number})
            for step in range(50):
                run.log("m", step, step)
        return run.id

    with serving(root) as one, serving(root) as two:
        ways = [one.connect(), two.connect(), ws]
        with ThreadPoolExecutor(6) as pool:
            made = list(pool.map(work, ways * 4, range(12)))
        for way in ways:
            assert sorted(run.id for run in way.runs()) == sorted(made)
            for number, run_id in enumerate(made):
                run = way.run(run_id)
                assert run.params == {"number": number}
                assert run.get_metric_history("m").steps.tolist() == list(range(50))
        assert sorted(run.number for run in ws.runs()) == list(range(1, 13))
        one.kill()
        one.start()
        assert len(one.connect().runs()) == 12


@pytest.fixture
def agent_words(ws: Workspace) -> list[str]:
    """The command of a background process, of which there is none now."""
    end_agents(Path(ws.location))
    return [sys.executable, "-m", "ml_workspace_lab.agent", ws.location]


def test_of_two_background_processes_one_works(
    ws: Workspace, tmp_path: Path, agent_words: list[str]
) -> None:
    both = [subprocess.Popen(agent_words) for _ in range(2)]
    lines = tmp_path / "lines"
    eventually(lambda: any(one.poll() is not None for one in both), 60, "one of them ends")
    assert sorted((one.poll() for one in both), key=str) == [0, None]
    runs = [submit(ws, tmp_path, f"echo {n} >>{lines}") for n in range(JOBS)]
    for run in runs:
        assert run.wait_for_completion(timeout_seconds=120).state is RunState.COMPLETED
    assert sorted(lines.read_text().split()) == [str(n) for n in range(JOBS)], "each once"
    _end(both)


def test_after_a_kill_the_next_background_process_takes_over(
    ws: Workspace, tmp_path: Path, agent_words: list[str]
) -> None:
    root, lines, go = Path(ws.location), tmp_path / "lines", tmp_path / "go"
    first = subprocess.Popen(agent_words)
    eventually(lambda: [one.pid for one in agents(root)] == [first.pid], 60)
    code = f"echo begun >>{lines}; while [ ! -e {go} ]; do sleep 0.1; done; echo ended >>{lines}"
    runs = [submit(ws, tmp_path, code) for _ in range(3)]
    eventually(lambda: lines.exists() and "begun" in lines.read_text(), 60)
    first.kill()
    first.wait()
    wake(root)
    go.touch()
    for run in runs:
        assert run.wait_for_completion(timeout_seconds=120).state is RunState.COMPLETED
    eventually(lambda: len(agents(root)) == 1, 60, "one of those that were started stays")
    assert sorted(lines.read_text().split()) == ["begun"] * 3 + ["ended"] * 3, "each once"


def _end(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        process.kill()
        process.wait()
