"""The dispatcher is killed at every moment that matters: each run is executed once all the same."""

import subprocess
import sys
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig
from ml_workspace_lab.compute.wake import poke, wake
from ml_workspace_lab.experiments.model import RunState
from tests.compute.conformance.drivers import words
from tests.compute.conformance.target import Target
from tests.conftest import end_agents, eventually

# A background process that kills itself where it is about to do (or has just done) something.
AGENT = """
import os, signal, sys
from pathlib import Path
from ml_workspace_lab.agent import __main__ as agent
from ml_workspace_lab.jobs import dispatcher, store

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def acquire(lock, acquire=agent._acquire):
    is_first = acquire(lock)
    print("works" if is_first else "another one works", flush=True)
    return is_first

WHERE
agent._acquire = acquire
agent.main(Path(sys.argv[1]))
"""
WINDOWS = {
    "before the attempt is written down": "store.begin_attempt = die",
    "before it is submitted": "dispatcher.launch_of = die",
    "after it is submitted, before that is written down": "store.set_native_id = die",
    "after it has begun": """
def die_where_one_has_begun(self):
    if store.entries(self.services.storage.database, self.target, ("begun",)):
        die()
dispatcher.Dispatcher._release_held = die_where_one_has_begun
""",
}


class CrashContract:
    """Tests of the dispatcher with `Target`."""

    @pytest.fixture
    def target(self) -> Target:
        raise NotImplementedError

    @pytest.mark.parametrize("window", WINDOWS)
    def test_a_dispatcher_that_is_killed_leaves_one_execution(
        self, target: Target, tmp_path: Path, window: str
    ) -> None:
        lines = tmp_path / "lines"
        (tmp_path / "code").mkdir()
        agent = _faulty_agent(target.root, WINDOWS[window])
        config = CommandConfig(
            tmp_path / "code", ["sh", "-c", f"echo a >>{lines}"], compute_target=target.name
        )
        run = target.ws.experiment("conformance").submit(config)
        assert agent.wait(target.seconds) == -9
        wake(target.root)
        info = run.wait_for_completion(raise_on_error=False, timeout_seconds=5 * target.seconds)
        assert info.state is RunState.COMPLETED, info.reason
        assert words(lines) == ["a"]
        eventually(target.is_idle, target.seconds, "all jobs are over")


def _faulty_agent(root: Path, where: str) -> "subprocess.Popen[str]":
    """At work: a server that looks after the workspace may have started another before it."""
    words = [sys.executable, "-c", AGENT.replace("WHERE", where), str(root)]
    while True:
        end_agents(root)
        agent = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert agent.stdout is not None
        with agent.stdout as told:
            if told.readline() == "works\n":
                break
        agent.wait()
    eventually(lambda: poke(root), what="the faulty background process is there")
    return agent
