"""Brings one module to what is wanted of it, and keeps it there: a thread for each."""

import shutil
import threading
import time
from concurrent.futures import Future
from typing import Any

from ml_workspace_lab.errors import InvalidInput, WorkspaceError
from ml_workspace_lab.models.packages.credentials import Credentials
from ml_workspace_lab.models.packages.edge_agent import launching
from ml_workspace_lab.models.packages.edge_agent.counting import Counting
from ml_workspace_lab.models.packages.edge_agent.house import House
from ml_workspace_lab.models.packages.edge_agent.images import Installed
from ml_workspace_lab.models.packages.edge_agent.place import LONGEST_PAUSE, Place
from ml_workspace_lab.models.packages.edge_agent.records import Failure, Release
from ml_workspace_lab.models.packages.edge_agent.trying import Interrupted, Trying
from ml_workspace_lab.models.packages.edge_agent.wanted import Module, Work

LOOK_SECONDS = 0.2
FIRST_PAUSE = 2.0


class Keeper:
    """A module: what is wanted of it (None: that it goes), and what is."""

    def __init__(self, house: House, name: str) -> None:
        self.name = name
        self.is_gone = False
        self._house = house
        self._place = Place(house, name)
        self._wanted: Module | None = None
        self._credentials: dict[str, Credentials] = {}
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)
        self._fetch: Future[Installed] | None = None
        self._fetched: Work | None = None
        self._trying: Trying | None = None
        self._update = ""
        self._waits_for = ""
        self._pause = FIRST_PAUSE
        self._not_before = 0.0
        self.counting = Counting(self._place)

    def want(self, module: Module | None, credentials: dict[str, Credentials]) -> None:
        """Say what is wanted from now on."""
        if module != self._wanted:
            self._not_before = 0.0
        self._wanted, self._credentials = module, credentials
        if not self._thread.is_alive() and not self.is_gone:
            self._thread.start()

    def leave(self) -> None:
        self._leaving.set()

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is fetched or tried, so that other images than its own can go."""
        return self._fetch is None and self._trying is None and not self._waits_for

    @property
    def digests(self) -> set[str]:
        return self._place.record.digests()

    def _run(self) -> None:
        is_recovered = False
        while not self.is_gone and not self._leaving.is_set():
            try:
                if not is_recovered:
                    self._recover()
                    is_recovered = True
                self._step()
            except Interrupted:
                continue
            except (WorkspaceError, OSError) as error:
                self._wait(str(error))
            except Exception as error:  # noqa: BLE001 - a module is looked after, whatever happens
                self._wait(f"{type(error).__name__}: {error}")
            self._leaving.wait(LOOK_SECONDS)
        if not self.is_gone:
            self._place.end()
            self._place.say("stopped", "the agent has left")

    def _recover(self) -> None:
        """Take up what an agent before has left."""
        place = self._place
        trial = place.record.trial
        place.sweep()
        if trial is None or trial.serving is None:
            return
        if trial.is_taking and launching.is_alive(trial.serving) and self._wanted is not None:
            self._trying = Trying(place, self._meanwhile(trial.release.work, looks_after=False))
            try:
                self._trying.go_on()
            except Interrupted:
                """What is wanted now is looked at next."""
            finally:
                self._trying = None
            return
        launching.end(trial.serving, 5.0)
        record = place.record
        serving = record.serving
        if trial.is_taking and serving is not None:
            launching.end(serving)
            serving = None
        kept = type(trial)(trial.release, trial.times)
        place.keep(trial=kept, serving=serving)

    def _step(self) -> None:
        module, place = self._wanted, self._place
        if module is None:
            place.end()
            shutil.rmtree(place.folder, ignore_errors=True)
            place.tell("removed")
            self.is_gone = True
            self._house.changed.set()
            return
        if not module.is_running:
            if place.record.serving is not None or place.status != "stopped":
                place.end()
                place.say("stopped")
            return
        if place.status == "stopped":
            place.say("starting")
        failure = place.record.failure
        current = place.record.current
        if current is not None and current.work == module.work:
            self._forget_update()
            if failure is not None or place.record.trial is not None:
                place.keep(failure=None, trial=None)
        elif failure is not None and failure.work == module.work:
            self._forget_update()
            if current is None:
                place.say("failed", failure.reason)
        elif time.monotonic() >= self._not_before:
            self._bring(module.work)
        place.supervise(module.restart)

    def _bring(self, work: Work) -> None:
        """Fetch what is wanted; once it is here, try it."""
        if self._fetch is None or self._fetched != work:
            self._fetched = work
            self._update = "fetching"
            self._fetch = self._house.fetching.submit(
                self._house.images.get, work.image, self._credentials, self._tell_fetching
            )
        if not self._fetch.done():
            return
        fetch, self._fetch = self._fetch, None
        try:
            image = fetch.result()
        except InvalidInput as error:
            self._place.keep(failure=Failure(work, str(error), time.time()))
            self._place.tell(f"{work.image} is no good: {error}")
            return
        self._trying = Trying(self._place, self._meanwhile(work))
        try:
            self._trying.begin(Release(work, image.digest), image)
        finally:
            self._trying = None
        self._forget_update()

    def _meanwhile(self, work: Work, *, looks_after: bool = True) -> Any:
        """What is done while a version is tried."""

        def look() -> None:
            module = self._wanted
            if self._leaving.is_set() or module is None or not module.is_running:
                raise Interrupted
            if module.work != work:
                raise Interrupted
            trial = self._place.record.trial
            if looks_after and trial is not None and not trial.is_taking:
                self._place.supervise(module.restart)
            else:
                self._place.write()

        return look

    def _wait(self, reason: str) -> None:
        """Try again later."""
        if reason != self._waits_for:
            self._pause = FIRST_PAUSE
            self._place.tell(f"waits: {reason}")
        self._waits_for, self._update = reason, "waiting"
        self._not_before = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._house.changed.set()

    def _forget_update(self) -> None:
        self._update, self._waits_for, self._pause = "", "", FIRST_PAUSE

    def _tell_fetching(self, words: str) -> None:
        self._place.tell(f"fetches {words}")

    def report(self) -> dict[str, Any]:
        """What the module is, for those who are not here."""
        record, place = self._place.record, self._place
        found: dict[str, Any] = {"status": place.status, "restarts": record.restarts}
        if place.reason:
            found["reason"] = place.reason
        release, trial = record.current, record.trial
        if trial is not None and trial.is_taking:
            release = trial.release
        if release is not None:
            work = release.work
            found |= {"image": work.image, "digest": release.digest}
            found |= {"version": work.version, "port": work.port}
        if record.serving is not None and place.status in ("running", "starting", "unhealthy"):
            found |= {"pid": int(record.serving.native.partition(":")[0])}
            found |= {"since": record.serving.began}
        if (trying := self._trying) is not None and trial is not None:
            found["update"] = {"status": trying.said, "image": trial.release.work.image}
        elif record.failure is not None:
            failure = record.failure
            found["update"] = {
                "status": "failed", "image": failure.work.image, "reason": failure.reason,
                "time": failure.time,
            }  # fmt: skip
        elif self._update and self._wanted is not None:
            image = self._wanted.work.image
            found["update"] = {"status": self._update, "image": image, "reason": self._waits_for}
        return found
