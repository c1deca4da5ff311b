"""Experiments and their runs: start them, read them, change them, end them."""

import builtins
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import msgspec

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Limit, Name, Nothing, RunId, Scalar
from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.experiments import store
from ml_workspace_lab.experiments.model import (
    CreateExperiment,
    EndRun,
    ExperimentInfo,
    ExperimentList,
    Progress,
    RunInfo,
    RunKind,
    RunList,
    RunState,
    StartRun,
    StateHistory,
    UpdateRun,
)
from ml_workspace_lab.storage.database import Transaction
from ml_workspace_lab.storage.files import is_held

SILENCE_SECONDS = 20.0
"""A run whose process is on another machine and says nothing for this long is NotResponding."""

OWNER_GONE = "The process that did the work ended without closing the run (its kernel died)."


def new_id() -> str:
    """32 hex digits: the time in ms, then 80 random bits, so that newer ids sort later."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


class Experiments(Service):
    """Named series of runs."""

    @operation("GET", "/experiments", action="experiments/read")
    def list(self) -> ExperimentList:
        """All experiments, the one with the newest run first."""
        return ExperimentList(store.experiments(self.storage.database))

    @operation("GET", "/experiments/{experiment}", action="experiments/read")
    def get(self, experiment: Name) -> ExperimentInfo:
        return store.experiment(self.storage.database, experiment)

    @operation("POST", "/experiments", action="experiments/write")
    def create(self, body: CreateExperiment) -> ExperimentInfo:
        """The experiment of that name, made where there is none."""
        with self.storage.database.write() as transaction:
            store.ensure_experiment(transaction, new_id(), body.name, body.description)
        return store.experiment(self.storage.database, body.name)


class Runs(Service):
    """Runs of experiments."""

    @operation("GET", "/runs", action="experiments/runs/read")
    def list(
        self,
        experiment: Name | None = None,
        state: RunState | None = None,
        active: bool = False,
        parent: RunId | None = None,
        kind: RunKind | None = None,
        after: str | None = None,
        limit: Limit = 100,
    ) -> RunList:
        """Runs, newest first; `active` leaves those that have ended out, `after` is the `next` of
        the page before."""
        if after is not None and not (after.isdecimal() and len(after) < 19):
            raise InvalidInput("after: is not the `next` of an earlier page.", field="after")
        wanted = [s for s in RunState if s == (state or s) and not (active and s.is_terminal)]
        found, following = store.runs(
            self.storage.database,
            experiment=experiment,
            parent=parent,
            states=None if state is None and not active else wanted,
            kind=kind,
            before=int(after) if after else None,
            limit=limit,
        )
        items = [self._current(run) for run in found]
        return RunList(items, str(following) if following is not None else None)

    @operation("GET", "/runs/{run_id}", action="experiments/runs/read")
    def get(self, run_id: RunId) -> RunInfo:
        """The run as it is now. Raises NotFound where it isn't, or may not be seen."""
        run = store.find_run(self.storage.database, run_id)
        if run is None:
            raise store.no_run(run_id)
        return self._current(run)

    @operation("GET", "/runs/{run_id}/history", action="experiments/runs/read")
    def history(self, run_id: RunId) -> StateHistory:
        """Every state that the run has been in, with the time and the reason."""
        self.get(run_id)
        return StateHistory(store.history(self.storage.database, run_id))

    @operation("POST", "/experiments/{experiment}/runs", action="experiments/runs/write")
    def start(self, experiment: Name, body: StartRun) -> RunInfo:
        """An interactive run, Running at once; the experiment is made where there is none."""
        run_id = body.run_id or new_id()
        with self.storage.database.write() as transaction:
            self.add(
                transaction,
                experiment,
                run_id=run_id,
                kind="interactive",
                display_name=body.display_name,
                parent=body.parent,
                snapshot=body.snapshot_id,
                notebook=body.notebook,
                tags=body.tags,
            )
            self.transition(transaction, run_id, RunState.RUNNING, "")
        self.storage.run(run_id).create()
        return self.get(run_id)

    @operation("PATCH", "/runs/{run_id}", action="experiments/runs/write")
    def update(self, run_id: RunId, body: UpdateRun) -> RunInfo:
        """Set parameters and tags, add properties. Raises Conflict on a property that exists."""
        with self.storage.database.write() as transaction:
            run, _ = store.state_of(transaction, run_id)
            present = store.attributes(transaction, "property", run)
            for key, value in body.properties.items():
                if present.get(key, value) != value:
                    raise Conflict(
                        f"The property {key!r} is set already and can't be changed.",
                        field=f"properties.{key}",
                        hint="Use a tag for what may change.",
                    )
            for column in ("display_name", "description"):
                if (text := getattr(body, column)) is not msgspec.UNSET:
                    store.set_text(transaction, run, column, text)
            store.set_attributes(transaction, "param", run, _as_json(body.params))
            store.set_attributes(transaction, "tag", run, body.tags)
            store.set_attributes(transaction, "property", run, body.properties)
            store.remove_tags(transaction, run, body.remove_tags)
            transaction.event("run.updated", run_id)
        return self.get(run_id)

    @operation("POST", "/runs/{run_id}/heartbeat", action="experiments/runs/write", audited=False)
    def heartbeat(self, run_id: RunId) -> Nothing:
        """Say that the process that does the work of an interactive run is alive, from a machine
        where its lock can't be seen. A run that was NotResponding is Running again."""
        run = self.get(run_id)
        if run.state.is_terminal:
            raise Conflict(f"Run {run_id} has ended: {run.state}.", field="run_id")
        self.storage.run(run_id).heartbeat.touch()
        if run.state is RunState.NOT_RESPONDING:
            self.move(run_id, RunState.RUNNING, "It answers again.")
        return Nothing()

    @operation("POST", "/runs/{run_id}/end", action="experiments/runs/write")
    def end(self, run_id: RunId, body: EndRun) -> RunInfo:
        """Close an interactive run. Raises Conflict where it has ended already."""
        run = self.get(run_id)
        if run.kind != "interactive":
            raise Conflict(
                f"Run {run_id} is a {run.kind} job and ends by itself.", hint="Cancel it instead."
            )
        self.finish(run_id, RunState(body.state), body.reason)
        return self.get(run_id)

    def add(
        self,
        transaction: Transaction,
        experiment: str,
        *,
        run_id: str,
        kind: RunKind,
        display_name: str | None,
        parent: str | None,
        snapshot: str | None,
        notebook: str | None,
        tags: Mapping[str, str],
        params: Mapping[str, Scalar] = MappingProxyType({}),
        compute_target: str | None = None,
    ) -> int:
        """Add a run, NotStarted, to an experiment that is made where there is none; its row id."""
        self._check_new(transaction, run_id, parent)
        experiment_id = store.ensure_experiment(transaction, new_id(), experiment)
        run = store.insert_run(
            transaction,
            experiment_id,
            uid=run_id,
            kind=kind,
            display_name=display_name,
            user=caller().name,
            parent=parent,
            compute_target=compute_target,
            snapshot=snapshot,
            notebook=notebook,
        )
        store.set_attributes(transaction, "tag", run, tags)
        store.set_attributes(transaction, "param", run, _as_json(params))
        return run

    def transition(
        self, transaction: Transaction, run_id: str, state: RunState, reason: str
    ) -> None:
        """Bring a run to another state as part of a larger change."""
        store.transition(transaction, run_id, state, reason)

    def move(self, run_id: str, state: RunState, reason: str = "") -> None:
        """Bring a run to a state on its way. Raises Conflict where it can't follow."""
        with self.storage.database.write() as transaction:
            store.transition(transaction, run_id, state, reason)

    def finish(self, run_id: str, state: RunState, reason: str) -> None:
        """Bring a run to its end, with its metrics summed up for lists."""
        summaries = self.services.metrics.summaries(run_id)
        with self.storage.database.write() as transaction:
            store.set_summaries(transaction, run_id, summaries)
            store.transition(transaction, run_id, state, reason)

    def report_progress(self, run_id: str, progress: Progress) -> None:
        with self.storage.database.write() as transaction:
            store.set_progress(transaction, run_id, progress)

    def ancestors(self, run_id: str) -> Sequence[str]:
        """The parent of a run, its parent and so on."""
        found: builtins.list[str] = []
        parent = store.parent_of(self.storage.database, run_id)
        while parent is not None and parent not in found:
            found.append(parent)
            parent = store.parent_of(self.storage.database, parent)
        return found

    def _check_new(self, transaction: Transaction, run_id: str, parent: str | None) -> None:
        """Raise where the id is taken, or the parent isn't there or not the caller's to extend."""
        if transaction.one("SELECT 1 FROM run WHERE uid = :uid", uid=run_id):
            raise Conflict(f"There is a run {run_id} already.", field="run_id")
        own = caller().run_id
        if own is not None and parent != own and own not in self.ancestors(parent or ""):
            raise InvalidInput("parent: a run starts only runs below itself.", field="parent")
        if parent is not None:
            store.state_of(transaction, parent)

    def close_abandoned(self) -> bool:
        """Close every interactive run whose process is gone; whether others are going on."""
        found = self.list(active=True, kind="interactive", limit=1000)
        return any(not run.state.is_terminal for run in found.items)

    def _current(self, run: RunInfo) -> RunInfo:
        """The run with its newest metrics; an interactive one whose process died is closed."""
        if run.state.is_terminal:
            return run
        folder = self.storage.run(run.run_id)
        if run.kind == "interactive" and folder.lock.exists() and not is_held(folder.lock):
            with suppress(Conflict):  # closed meanwhile: what it says now is the truth
                self.finish(run.run_id, RunState.FAILED, OWNER_GONE)
            return store.find_run(self.storage.database, run.run_id) or run
        if run.state is RunState.RUNNING and _silent(folder.heartbeat):
            reason = f"No sign of life for {SILENCE_SECONDS:.0f} s."
            with suppress(Conflict):
                self.move(run.run_id, RunState.NOT_RESPONDING, reason)
            return store.find_run(self.storage.database, run.run_id) or run
        return msgspec.structs.replace(run, metrics=self.services.metrics.summaries(run.run_id))


def _silent(heartbeat: Path) -> bool:
    try:
        return time.time() - heartbeat.stat().st_mtime > SILENCE_SECONDS
    except FileNotFoundError:
        return False  # It is on this machine and holds a lock, or has just begun.


def _as_json(params: Mapping[str, Scalar]) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in params.items()}
