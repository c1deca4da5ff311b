"""Runners on other machines, started by hand: the test plays the dispatcher and the engine."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ml_workspace_lab import CommandConfig, NotebookRunConfig, Run, ScriptRunConfig, Workspace
from ml_workspace_lab.compute.wake import PIPE, clean_environment
from ml_workspace_lab.errors import Conflict
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import store, tickets
from ml_workspace_lab.jobs.tickets import Ticket
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.storage import Storage

Config = CommandConfig | NotebookRunConfig | ScriptRunConfig


def keep_agents_away(root: Path) -> int:
    """Whoever wakes the background process finds one, which does nothing; what holds that."""
    os.mkfifo(root / PIPE, 0o600)
    return os.open(root / PIPE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


class Far:
    """A run whose attempts are made where the workspace's folder is not."""

    def __init__(self, ws: Workspace, config: Config, url: str, machine: Path) -> None:
        self.run: Run = ws.experiment("far").submit(config)
        self.services = Services(Storage(Path(ws.location)))
        self.url = url
        self.machine = machine
        self.attempt = 0
        self.started: list[subprocess.Popen[bytes]] = []

    @property
    def spool(self) -> Path:
        return self.machine / "spool"

    def ticket(self) -> Path:
        """What the dispatcher does before it starts an attempt; where its ticket lies."""
        self.attempt += 1
        run_id = self.run.id
        with self.services.storage.database.write() as transaction:
            store.set_stage(transaction, run_id, "waiting")
            assert store.begin_attempt(transaction, run_id, self.attempt)
            again = [RunState.QUEUED] if self.attempt > 1 else []
            for state in (*again, RunState.STARTING):
                with suppress(Conflict):
                    self.services.runs.transition(transaction, run_id, state, "")
        token = self.services.tokens.create_ticket(run_id, self.attempt)
        path = self.machine / f"ticket-{self.attempt}"
        Ticket(self.url, run_id, self.attempt, token).write(path)
        return path

    def start(
        self, ticket: Path | None = None, before: Sequence[str] = (), **variables: str
    ) -> "subprocess.Popen[bytes]":
        """Start a runner, as an engine does."""
        environment = {
            **clean_environment(),
            tickets.VARIABLE: str(ticket or self.ticket()),
            "ML_WORKSPACE_SPOOL": str(self.spool),
            **variables,
        }
        with (self.machine / "engine.log").open("ab") as log:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "ml_workspace_lab.jobs.runner"],
                env=environment,
                cwd=self.machine,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def engine_log(self) -> str:
        return (self.machine / "engine.log").read_text()

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
