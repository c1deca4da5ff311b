"""A new version of a module: tried beside the one before, then in its place, else taken back."""

import time
from collections.abc import Callable

import msgspec

from ml_workspace_lab import processes
from ml_workspace_lab.environments import tools
from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.models.packages.edge_agent import launching, probing
from ml_workspace_lab.models.packages.edge_agent.images import Installed
from ml_workspace_lab.models.packages.edge_agent.place import MAX_SILENT, Place
from ml_workspace_lab.models.packages.edge_agent.records import Failure, Release, Serving, Trial
from ml_workspace_lab.models.packages.edge_agent.wanted import Work

TAKE_SECONDS = 10.0
LOOK_SECONDS = 0.1
MAX_TIMES = 3


class Interrupted(Exception):
    """The agent leaves, or something else is wanted by now."""


class Bad(Exception):
    """The new version is no good; the message says why."""


class Trying:
    """The trial of one version. `meanwhile` is done again and again while it is waited for: it
    looks after the version before, and raises Interrupted."""

    def __init__(self, place: Place, meanwhile: Callable[[], None]) -> None:
        self._place = place
        self._meanwhile = meanwhile
        self.said = ""

    def begin(self, release: Release, image: Installed) -> None:
        """Try a version; afterwards it is the current one, or the record says why it isn't. Raises
        Unavailable where it can't be tried now, Interrupted."""
        place = self._place
        before = place.record.trial
        times = before.times + 1 if before and before.release == release else 1
        self._check_port(release.work)
        key = launching.key(image, release.work, place.folder)
        if times > MAX_TIMES:
            self._fail(release.work, f"the agent was ended {MAX_TIMES} times while it was tried")
            return
        place.keep(trial=Trial(release, times))
        try:
            self._run(release, image, key)
        except Bad as error:
            self._give_up()
            self._fail(release.work, str(error))
        except BaseException:
            self._give_up()
            raise

    def go_on(self) -> None:
        """Go on with a version that had begun to take the place of the one before, when the agent
        was killed. Raises Interrupted."""
        trial = self._place.record.trial
        assert trial is not None
        assert trial.serving is not None
        try:
            self._put_in_place(trial.serving, trial.release)
        except Bad as error:
            self._give_up()
            self._fail(trial.release.work, str(error))
        except BaseException:
            self._give_up()
            raise

    def _run(self, release: Release, image: Installed, key: str) -> None:
        place = self._place
        self.said = "trying"
        place.tell("trying")
        place.house.changed.set()
        serving = place.start(image, release.work)
        self._keep(serving)
        seconds = place.house.patience.ready
        if not self._await(lambda: probing.answers(serving.own_port), serving, seconds):
            raise Bad(f"it did not answer within {seconds:g} s{self._last_words(serving)}")
        body = probing.example(image.home)
        if body is not None and (refusal := probing.refusal(serving.own_port, key, body)):
            raise Bad(refusal)
        self._put_in_place(serving, release)

    def _put_in_place(self, serving: Serving, release: Release) -> None:
        place, port = self._place, release.work.port
        old = place.record.serving
        # Before it is said: an agent that is killed then goes on from here.
        self._keep(serving, is_taking=True)
        self.said = "probation"
        place.say("probation")
        if port is not None:
            if old is not None:
                processes.end(old.native, force=False)
            self._take(serving, port, old)
            serving = msgspec.structs.replace(serving, has_port=True)
        serving = msgspec.structs.replace(serving, is_ready=True)
        self._keep(serving, is_taking=True)
        if old is not None:
            launching.end(old)
            place.keep(serving=None)
            place.sweep()
        self._watch(serving, port if port is not None else serving.own_port)
        place.keep(
            current=release, previous=place.record.current, serving=serving, trial=None,
            failure=None, ended="", restarts=0,
        )  # fmt: skip
        place.start_at_once()
        place.tell(f"{release.work.image} is the current version")
        place.say("running")

    def _take(self, serving: Serving, port: int, old: Serving | None) -> None:
        """Bring the new process to the port, which the old one lets go."""
        launching.take_port(serving)

        def has_it() -> bool:
            return launching.listens(serving, port)

        if self._await(has_it, serving, TAKE_SECONDS):
            return
        if old is not None:
            processes.end(old.native, force=True)
        if not self._await(has_it, serving, TAKE_SECONDS):
            raise Bad(f"another process has the port {port}")

    def _watch(self, serving: Serving, port: int) -> None:
        """Its probation. Raises Bad."""
        until = time.monotonic() + self._place.house.patience.probation
        silent = 0
        while time.monotonic() < until:
            self._look(serving)
            silent = 0 if probing.answers(port) else silent + 1
            if silent >= MAX_SILENT:
                raise Bad(f"it stopped answering in its probation{self._last_words(serving)}")
            self._await(lambda: False, serving, min(1.0, max(0.0, until - time.monotonic())))

    def _await(self, condition: Callable[[], bool], serving: Serving, seconds: float) -> bool:
        """Whether it became so while the process lived. Raises Bad where that ended."""
        until = time.monotonic() + seconds
        while True:
            self._look(serving)
            if condition():
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_SECONDS)

    def _look(self, serving: Serving) -> None:
        self._meanwhile()
        if not launching.is_alive(serving):
            raise Bad(f"it ended: {launching.words_of(serving, self._place.log)}")

    def _check_port(self, work: Work) -> None:
        """Raise Unavailable where a stranger has the port."""
        record = self._place.record
        is_ours = (
            record.serving is not None
            and record.current is not None
            and record.current.work.port == work.port
        )
        if work.port is not None and not is_ours and not launching.is_free(work.port):
            raise Unavailable(f"Another process has the port {work.port}.")

    def _keep(self, serving: Serving, *, is_taking: bool = False) -> None:
        trial = self._place.record.trial
        assert trial is not None
        changed = msgspec.structs.replace(trial, serving=serving, is_taking=is_taking)
        self._place.keep(trial=changed)

    def _give_up(self) -> None:
        """End what is tried, and let the version before have its place again."""
        place = self._place
        trial = place.record.trial
        if trial is not None and trial.serving is not None:
            launching.end(trial.serving, 5.0)
        serving = place.record.serving
        if trial is not None and trial.is_taking and serving is not None:
            launching.end(serving)  # It was told to go.
            serving = None
        if serving is None and place.record.current is not None:
            place.say("starting")
        place.keep(trial=None, serving=serving)
        place.start_at_once()
        place.sweep()

    def _fail(self, work: Work, reason: str) -> None:
        place = self._place
        place.keep(failure=Failure(work, reason, time.time()), trial=None)
        before = place.record.current
        place.tell(f"{work.image} is no good: {reason}")
        if before is None:
            place.say("failed", reason)
        else:
            place.tell(f"goes back to {before.work.image}")

    def _last_words(self, serving: Serving) -> str:
        said = tools.tail(self._place.log, serving.log_from)
        return f": {said}" if said else ""
