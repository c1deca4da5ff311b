"""Runs of experiments: start them, read them, change them, end them."""

import builtins
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

import msgspec

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Limit, Name, Nothing, RunId, Scalar
from ml_workspace_lab.errors import Conflict, InvalidInput, StorageFull, Unavailable
from ml_workspace_lab.experiments import documents, run_store, trash_store
from ml_workspace_lab.experiments.ids import new_id
from ml_workspace_lab.experiments.model import (
    EndRun,
    Progress,
    RunInfo,
    RunKind,
    RunList,
    RunState,
    StartRun,
    StateHistory,
    UpdateRun,
)
from ml_workspace_lab.experiments.places import parsed, spelled
from ml_workspace_lab.storage.database import Transaction, hardly_waiting
from ml_workspace_lab.storage.files import is_held

SILENCE_SECONDS = 20.0
"""An interactive run whose process is on another machine and says nothing for this long is
NotResponding."""

LEASE_SECONDS = 90.0
"""The same of a job's run: engines take over a minute to notice that a node was cut off."""

OWNER_GONE = "The process that did the work ended without closing the run (its kernel died)."

OPEN_ENDED = ("interactive", "external")
"""Kinds of runs that those who started them end."""


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
        wanted = [s for s in RunState if s == (state or s) and not (active and s.is_terminal)]
        found, following = run_store.runs(
            self.storage.database,
            experiment=experiment,
            parent=parent,
            states=None if state is None and not active else wanted,
            kind=kind,
            before=parsed(after),
            limit=limit,
        )
        # What other processes log to ended runs shows as soon as they have brought it in: a look
        # for the journals of each would take longer than all the rest.
        here = self.services.metrics.logged_here()
        items = [
            run if run.state.is_terminal and run.run_id not in here else self._current(run)
            for run in found
        ]
        return RunList(items, spelled(following))

    @operation("GET", "/runs/{run_id}", action="experiments/runs/read")
    def get(self, run_id: RunId) -> RunInfo:
        """The run as it is now. Raises NotFound where it isn't, or may not be seen."""
        run = run_store.find_run(self.storage.database, run_id)
        if run is None:
            raise run_store.no_run(run_id)
        return self._current(run)

    @operation("GET", "/runs/{run_id}/history", action="experiments/runs/read")
    def history(self, run_id: RunId) -> StateHistory:
        """Every state that the run has been in, with the time and the reason."""
        self.get(run_id)
        return StateHistory(run_store.history(self.storage.database, run_id))

    @operation("POST", "/experiments/{experiment}/runs", action="experiments/runs/write")
    def start(self, experiment: Name, body: StartRun) -> RunInfo:
        """A run that its caller works on, Running at once; the experiment is made where there is
        none."""
        run_id = body.run_id or new_id()
        self.storage.run(run_id).create()
        with self.storage.database.write() as transaction:
            self.add(
                transaction,
                experiment,
                run_id=run_id,
                kind=body.kind,
                display_name=body.display_name,
                parent=body.parent,
                snapshot=body.snapshot_id,
                notebook=body.notebook,
                tags=body.tags,
                params=body.params,
                created=body.created,
                user=body.user if body.kind == "external" else None,
            )
            self.transition(transaction, run_id, RunState.RUNNING, "")
        return self.get(run_id)

    @operation("PATCH", "/runs/{run_id}", action="experiments/runs/write")
    def update(self, run_id: RunId, body: UpdateRun) -> RunInfo:
        """Set parameters and tags, add properties. Raises Conflict on a property that has another
        value already, and on such a parameter where only new ones are wanted; NotFound for a parent
        that isn't there, and InvalidInput for one that is below the run."""
        with self.storage.database.write(durable=False) as transaction:
            row = run_store.writable(transaction, run_id)
            if isinstance(body.parent, str):
                self._check_parent(transaction, run_id, body.parent)
            run = row["id"]
            present = documents.fill(transaction, run, documents.read(row))
            documents.check_unchanged("properties", present.properties, body.properties)
            if body.new_params:
                documents.check_unchanged("params", present.params, body.params)
            columns = {
                column: text
                for column in ("display_name", "description", "parent")
                if (text := getattr(body, column)) is not msgspec.UNSET
            }
            if columns:
                run_store.set_columns(transaction, run, **columns)
            document = documents.read(row)
            documents.remove_tags(transaction, run, document, body.remove_tags)
            documents.set_attributes(transaction, run, document, "param", body.params)
            documents.set_attributes(transaction, run, document, "tag", body.tags)
            documents.set_attributes(transaction, run, document, "property", body.properties)
            documents.write(transaction, run, document)
            run_store.touch(transaction, run, "run.updated", run_id)
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
        """Close a run that its caller works on. Raises Conflict where it has ended already."""
        run = self.get(run_id)
        if run.kind not in OPEN_ENDED:
            raise Conflict(
                f"Run {run_id} is a {run.kind} job and ends by itself.", hint="Cancel it instead."
            )
        self.finish(run_id, RunState(body.state), body.reason, body.ended)
        return self.get(run_id)

    @operation("POST", "/runs/{run_id}/reopen", action="experiments/runs/write")
    def reopen(self, run_id: RunId) -> RunInfo:
        """Take up an external run that has ended. Raises Conflict for any other."""
        self.move(run_id, RunState.RUNNING, "Taken up again.")
        return self.get(run_id)

    @operation("DELETE", "/runs/{run_id}", action="experiments/runs/delete")
    def delete(self, run_id: RunId) -> RunInfo:
        """Move it to the trash. Raises Conflict while it goes on."""
        self.get(run_id)
        with self.storage.database.write(frees=True) as transaction:
            trash_store.delete_run(transaction, run_id)
        return self.get(run_id)

    @operation("POST", "/runs/{run_id}/restore", action="experiments/runs/write")
    def restore(self, run_id: RunId) -> RunInfo:
        """Take it out of the trash. Raises Conflict while its experiment is there."""
        with self.storage.database.write() as transaction:
            trash_store.restore_run(transaction, run_id)
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
        created: int | None = None,
        user: str | None = None,
    ) -> int:
        """Add a run, NotStarted, to an experiment that is made where there is none; its row id."""
        self._check_new(transaction, run_id, parent)
        experiment_id = self.services.experiments.ensure(transaction, experiment)
        run = run_store.insert_run(
            transaction,
            experiment_id,
            uid=run_id,
            kind=kind,
            display_name=display_name,
            user=user or caller().name,
            created=created,
            parent=parent,
            compute_target=compute_target,
            snapshot=snapshot,
            notebook=notebook,
        )
        if tags or params:
            document = documents.read(run_store.row_of(transaction, run_id))
            documents.set_attributes(transaction, run, document, "tag", tags)
            documents.set_attributes(transaction, run, document, "param", params)
            documents.write(transaction, run, document)
        return run

    def transition(
        self, transaction: Transaction, run_id: str, state: RunState, reason: str
    ) -> None:
        """Bring a run to another state as part of a larger change."""
        run_store.transition(transaction, run_id, state, reason)

    def move(self, run_id: str, state: RunState, reason: str = "") -> None:
        """Bring a run to a state on its way. Raises Conflict where it can't follow."""
        with self.storage.database.write() as transaction:
            run_store.transition(transaction, run_id, state, reason)

    def finish(self, run_id: str, state: RunState, reason: str, ended: int | None = None) -> None:
        """Bring a run to its end, with all that it has logged."""
        self.services.metrics.settle(run_id)
        with self.storage.database.write() as transaction:
            run_store.transition(transaction, run_id, state, reason, ended)

    def report_progress(self, run_id: str, progress: Progress) -> None:
        with self.storage.database.write() as transaction:
            self.set_progress(transaction, run_id, progress)

    def set_progress(self, transaction: Transaction, run_id: str, progress: Progress) -> None:
        """The same as part of a larger change."""
        run_store.set_progress(transaction, run_id, progress)

    def row_id(self, transaction: Transaction, run_id: str) -> int:
        """The number of a run's row, for rows that refer to it. Raises NotFound."""
        return int(run_store.row_of(transaction, run_id)["id"])

    def ancestors(self, run_id: str) -> Sequence[str]:
        """The parent of a run, its parent and so on."""
        found: builtins.list[str] = []
        parent = run_store.parent_of(self.storage.database, run_id)
        while parent is not None and parent not in found:
            found.append(parent)
            parent = run_store.parent_of(self.storage.database, parent)
        return found

    def _check_new(self, transaction: Transaction, run_id: str, parent: str | None) -> None:
        """Raise where the id is taken, or the parent isn't there or not the caller's to extend."""
        if transaction.one("SELECT 1 AS one FROM run WHERE uid = :uid", uid=run_id):
            raise Conflict(f"There is a run {run_id} already.", field="run_id")
        own = caller().run_id
        if own is not None and parent != own and own not in self.ancestors(parent or ""):
            raise InvalidInput("parent: a run starts only runs below itself.", field="parent")
        if parent is not None:
            run_store.row_of(transaction, parent)

    def _check_parent(self, transaction: Transaction, run_id: str, parent: str) -> None:
        run_store.row_of(transaction, parent)
        if run_id in (parent, *self.ancestors(parent)):
            raise InvalidInput("parent: no run is below itself.", field="parent")

    def close_abandoned(self) -> bool:
        """Close every interactive run whose process is gone; whether others are going on."""
        going_on = False
        for run_id in run_store.active(self.storage.database, kind="interactive"):
            run = run_store.find_run(self.storage.database, run_id)
            going_on = going_on or run is None or not self._close_if_dead(run)
        return going_on

    def _current(self, run: RunInfo) -> RunInfo:
        """The run with its newest metrics; an interactive one whose process died is closed."""
        if run.state.is_terminal and run.kind != "external":
            return run
        if self._fold(run.run_id) or self._is_closed_now(run):
            return run_store.find_run(self.storage.database, run.run_id) or run
        return run

    def _fold(self, run_id: str) -> bool:
        # What can be read must be read, also while nothing can be written.
        with suppress(StorageFull, Unavailable), hardly_waiting():
            return self.services.metrics.fold_grown(run_id)
        return False

    def _is_closed_now(self, run: RunInfo) -> bool:
        with suppress(StorageFull, Unavailable), hardly_waiting():
            return self._close_if_dead(run)
        return False

    def _close_if_dead(self, run: RunInfo) -> bool:
        if run.state.is_terminal:
            return False
        folder = self.storage.run(run.run_id)
        gone = run.kind == "interactive" and folder.lock.exists() and not is_held(folder.lock)
        patience = SILENCE_SECONDS if run.kind in OPEN_ENDED else LEASE_SECONDS
        silent = run.state is RunState.RUNNING and folder.silence() > patience
        with suppress(Conflict):  # closed meanwhile: what it says now is the truth
            if gone:
                self.finish(run.run_id, RunState.FAILED, OWNER_GONE)
            elif silent:
                reason = f"No sign of life for {patience:.0f} s."
                self.move(run.run_id, RunState.NOT_RESPONDING, reason)
        return gone or silent
