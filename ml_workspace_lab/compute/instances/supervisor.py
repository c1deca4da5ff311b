"""Keeps the servers of instances as their records want them, step by step.

What it needs to know it reads from rows, locks and files, so that another one can go on from there.
"""

import sys
import time
from dataclasses import dataclass, field

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.compute.instances import rules, schedules, store
from ml_workspace_lab.compute.instances.activity import Activity
from ml_workspace_lab.compute.instances.folder import (
    InstanceFolder,
    LaunchFolder,
    Order,
    said_in,
)
from ml_workspace_lab.compute.instances.model import InstanceState
from ml_workspace_lab.compute.instances.placement import placement
from ml_workspace_lab.compute.instances.rules import Wish
from ml_workspace_lab.compute.instances.states import AT_WORK, COMING_UP, UP, failure_of
from ml_workspace_lab.compute.instances.store import Instance
from ml_workspace_lab.compute.instances.watcher import Watcher
from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.errors import Conflict, WorkspaceError
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.supervision import Known
from ml_workspace_lab.trouble import kept_apart

MAX_CRASHES = 5
MAX_FAILED_STARTS = 2
CALM_SECONDS = 60.0
START_SECONDS = 120.0
SILENT_SECONDS = 30.0
GRACE_SECONDS = 15.0
LOOK_SECONDS = 15.0
SOON_SECONDS = 0.2
LAST_LINES = 5
HOST = "ml_workspace_lab.compute.instances.host"
KEEPER = "ml_workspace_lab.compute.instances.elsewhere"
_HAVE_BEEN_UP = (InstanceState.RUNNING, InstanceState.UNKNOWN)


@dataclass
class InstanceSupervisor:
    """The supervisor of all instances of a workspace."""

    services: Services
    _seen: dict[str, Known] = field(default_factory=dict)
    _watcher: Watcher = field(default_factory=Watcher)
    _has_plans: bool = False

    def step(self) -> bool:
        """Look once at every instance. Whether there is one at work."""
        found = store.instances(self.services.storage.database)
        for one in found:
            with kept_apart(f"instance {one.name}"):
                self._keep(one)
        self._has_plans = any(s.enabled for one in found for s in one.schedules)
        return any(one.state in AT_WORK for one in found)

    def has_plans(self) -> bool:
        """Whether a schedule is to be waited for."""
        return self._has_plans

    def _keep(self, one: Instance) -> None:
        folder = InstanceFolder(self.services.storage.instance(one.name))
        if one.state not in UP:
            if self._are_gone(folder.launches()):
                self._settle(one, folder)
        else:
            launch = folder.launch(one.launch)
            others = [other for other in folder.launches() if other.number != one.launch]
            if self._are_gone(others):
                self._bring_up(one, launch)
        self._follow_schedules(one)

    def _are_gone(self, launches: list[LaunchFolder]) -> bool:
        """Ask these servers to end, and end them where they don't; whether none is left."""
        for launch in launches:
            known = self._seen.setdefault(launch.mark, Known())
            if launch.is_alive() and known.asked is None:
                known.asked = time.monotonic()
                launch.ask_to_end()
            elif launch.has_job():
                self._keep_ending(launch, known)
            elif not launch.is_alive() or time.monotonic() - (known.asked or 0) > GRACE_SECONDS:
                launch.end()
                launch.remove()
                self._seen.pop(launch.mark, None)
                self._watcher.forget(launch)
        return not any(launch.path.exists() for launch in launches)

    def _keep_ending(self, launch: LaunchFolder, known: Known) -> None:
        """A job elsewhere is ended by its keeper, or by another one where that is gone."""
        launch.ask_to_end()
        if launch.is_alive() or known.is_starting():
            return
        if known.has_ended(launch):
            known.crashed(launch)
        elif known.may_start():
            self._start_process(launch, known)

    def _settle(self, one: Instance, folder: InstanceFolder) -> None:
        """No process is left of one that is to have none."""
        if one.state is InstanceState.STOPPING:
            self._advance(one, InstanceState.STOPPED, one.reason)
        elif one.state is InstanceState.DELETING:
            folder.remove()
            if folder.path.exists():
                self._advance(one, one.state, f"{folder.path} can't be removed; trying again.")
                return
            with self.services.storage.database.write() as transaction:
                store.delete(transaction, one.name)

    def _bring_up(self, one: Instance, launch: LaunchFolder) -> None:
        known = self._seen.setdefault(launch.mark, Known())
        # Another supervisor may have seen it at work.
        known.was_ready = known.was_ready or one.state in _HAVE_BEEN_UP
        if launch.is_alive():
            self._watch(one, launch, known)
        elif known.is_starting():
            return
        elif launch.ended.exists():
            reason = said_in(launch.ended) or "It was shut down from inside."
            launch.end()
            launch.remove()
            self._advance(one, InstanceState.STOPPED, reason)
        elif known.has_ended(launch):
            self._crashed(one, launch, known)
        elif known.may_start():
            self._start(one, launch, known)

    def _start(self, one: Instance, launch: LaunchFolder, known: Known) -> None:
        try:
            # A job that goes on is kept as it was begun.
            if not launch.has_job():
                launch.make(self._order(one, launch.instance))
            self._start_process(launch, known)
        except (WorkspaceError, OSError) as error:
            if not launch.has_job():
                launch.remove()
            self._give_up(one, str(error), InstanceState.SETTING_UP)

    def _start_process(self, launch: LaunchFolder, known: Known) -> None:
        """The server itself or, for one that is a job elsewhere, the keeper of the job."""
        module = HOST if launch.read_order().placement is None else KEEPER
        words = [sys.executable, "-m", module, str(launch.path)]
        known.start(launch, words, clean_environment(), launch.instance.log.path)

    def _watch(self, one: Instance, launch: LaunchFolder, known: Known) -> None:
        phase = launch.read_phase()
        if phase is not InstanceState.RUNNING:
            if one.state in COMING_UP:
                is_told = launch.notice.exists() and not known.crashes
                reason = said_in(launch.notice) if is_told else one.reason
                self._advance(one, phase or one.state, reason)
            return
        answers = self._watcher.look(launch, self._interval(one, known))
        if answers.trouble:
            self._silent(one, launch, known, answers.silent_seconds)
        elif answers.activity is not None:
            self._heard(one, launch, known, answers.activity, answers.at)

    def _silent(self, one: Instance, launch: LaunchFolder, known: Known, seconds: float) -> None:
        """Its server does not answer."""
        if not known.was_ready and seconds > START_SECONDS:
            launch.fail(f"It did not answer within {START_SECONDS:.0f} s.")
            launch.end()
        elif seconds > SILENT_SECONDS and one.state is InstanceState.RUNNING:
            # It is not ended: its kernels may well be at work.
            reason = f"Its server has not answered for {SILENT_SECONDS:.0f} s; it is left alone."
            self._advance(one, InstanceState.UNKNOWN, reason)

    def _heard(
        self, one: Instance, launch: LaunchFolder, known: Known, activity: Activity, at: float
    ) -> None:
        """Its server has answered, at a time (monotonic) that may be a while ago."""
        if not known.was_ready:
            known.was_ready, known.began = True, time.monotonic()
            self._note_port(launch)
        elif known.age > CALM_SECONDS:
            known.crashes = 0
        if one.state is not InstanceState.RUNNING:
            # One that has come up again after a crash goes on saying why it went down.
            again = known.crashes and one.state is not InstanceState.UNKNOWN
            self._advance(one, InstanceState.RUNNING, one.reason if again else "")
            return
        if launch.last_activity() != activity.last:
            write_atomic(launch.activity, str(activity.last).encode())
        wish = rules.when_idle(one, activity, now())
        if wish is not None and time.monotonic() - at < 2 * SOON_SECONDS:
            self._ask(one, wish)

    def _interval(self, one: Instance, known: Known) -> float:
        """How soon to ask again. When it is about to be stopped the newest answer is wanted."""
        if not known.was_ready or one.state is not InstanceState.RUNNING:
            return SOON_SECONDS
        if one.idle_seconds is None:
            return LOOK_SECONDS
        return max(SOON_SECONDS, min(LOOK_SECONDS, one.idle_seconds / 10))

    def _crashed(self, one: Instance, launch: LaunchFolder, known: Known) -> None:
        phase = launch.read_phase() or InstanceState.SETTING_UP
        said = launch.read_error()
        how = f"Its {_process(launch)} ended: {known.ending()}."
        reason = said or said_in(launch.ending) or how
        known.crashed(launch, launch.phase, launch.ending, *launch.runtime.glob("jpserver-*"))
        self._watcher.forget(launch)
        limit = MAX_CRASHES if known.was_ready else MAX_FAILED_STARTS
        if said and phase is not InstanceState.RUNNING:
            self._give_up(one, reason, phase)
        elif known.crashes >= limit:
            lines = launch.instance.tail(LAST_LINES)
            self._give_up(one, f"{reason} The last lines of its log:\n{lines}", phase)
        else:
            coming = one.state in (InstanceState.CREATING, InstanceState.STARTING)
            state = one.state if coming else InstanceState.RESTARTING
            said = f"{reason} It was started again."
            store.advance(self.services.storage.database, one, state, said, restarts=1)

    def _give_up(self, one: Instance, reason: str, phase: InstanceState) -> None:
        in_progress = one.operation.status == "InProgress"
        state = failure_of(one.operation.name, in_progress, phase)
        self._advance(one, state, reason)

    def _follow_schedules(self, one: Instance) -> None:
        moment = now()
        schedule = schedules.due(one.schedules, one.since, moment)
        if schedule is None:
            return
        wish = rules.when_due(one, schedule)
        if wish is None or not self._ask(one, wish):
            store.done_until(self.services.storage.database, one.name, moment)

    def _ask(self, one: Instance, wish: Wish) -> bool:
        """Begin what a rule asks for; False where somebody was faster."""
        try:
            with self.services.storage.database.write() as transaction:
                user = caller().name
                store.ask(transaction, one.name, wish.operation, wish.trigger, user, wish.reason)
        except Conflict:
            return False
        return True

    def _advance(self, one: Instance, state: InstanceState, reason: str) -> None:
        if (one.state, one.reason) != (state, reason):
            store.advance(self.services.storage.database, one, state, reason)

    def _order(self, one: Instance, folder: InstanceFolder) -> Order:
        """What its server is to be told. Raises InvalidInput or NotFound where its environment or
        its target is gone."""
        environment = None
        if one.environment is not None:
            version = self.services.environments.resolve(one.environment)
            environment = f"{version.name}:{version.version}"
        user = one.assigned_user or one.owner
        place = placement(self.services, one.compute_target, one.resources, user)
        root = str(self.services.storage.root)
        port = folder.last_port()
        return Order(one.name, root, environment, one.scripts, one.variables, port, place)

    def _note_port(self, launch: LaunchFolder) -> None:
        address = launch.address()
        if address is not None:
            write_atomic(launch.instance.port, str(address.port).encode())


def _process(launch: LaunchFolder) -> str:
    return "job's keeper here" if launch.has_job() else "server"
