"""One module on the disk and at work: its record, and the process of its current version."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.models.packages.edge_agent import launching, probing, records
from ml_workspace_lab.models.packages.edge_agent.house import House
from ml_workspace_lab.models.packages.edge_agent.images import Installed
from ml_workspace_lab.models.packages.edge_agent.records import Record, Release, Serving
from ml_workspace_lab.models.packages.edge_agent.wanted import Restart, Work
from ml_workspace_lab.storage.files import write_atomic

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds before a process that ended is started again: twice as long each time."""
CALM_SECONDS = 600.0
"""After so long a process that ends is the first one to do so."""
HEALTH_SECONDS = 5.0
MAX_SILENT = 3
"""Times in a row that a process may not answer."""


@dataclass
class Place:
    """A module's record and its current process. What can't be written is written later: the disk
    may be full, and the module goes on."""

    house: House
    name: str
    record: Record = field(default_factory=Record)
    status: str = "waiting"
    reason: str = ""
    _is_written: bool = True
    _crashes: int = 0
    _not_before: float = 0.0
    _asked: float = 0.0
    _silent: int = 0

    def __post_init__(self) -> None:
        self.folder = self.house.folder / "modules" / self.name
        self.log = self.folder / "log.txt"
        self.mark = f"{self.house.device}/{self.name}"
        with suppress(FileNotFoundError):
            self.record = records.decode((self.folder / "record.json").read_bytes()) or Record()

    def keep(self, **changes: Any) -> None:
        """Change the record."""
        self.record = msgspec.structs.replace(self.record, **changes)
        self._is_written = False
        self.write()
        self.house.changed.set()

    def write(self) -> None:
        """Bring the record to the disk, where it isn't there."""
        if self._is_written:
            return
        with suppress(OSError, WorkspaceError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = msgspec.json.encode(self.record)
            write_atomic(self.folder / "record.json", content, durable=True)
            self._is_written = True

    def say(self, status: str, reason: str = "") -> None:
        """What the current version does; whoever watches hears of it where it is news."""
        if (status, reason) != (self.status, self.reason):
            self.status, self.reason = status, reason
            self.tell(f"{status}{f': {reason}' if reason else ''}")
            self.house.changed.set()

    def tell(self, words: str) -> None:
        self.house.told(f"{self.name}: {words}")

    def installed(self, release: Release) -> Installed | None:
        return self.house.images.find(release.digest)

    def start(self, image: Installed, work: Work) -> Serving:
        """A new process of the module. Raises what launching.start raises."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return launching.start(image, work, self.folder, self.mark)

    def sweep(self) -> None:
        """End what processes that are no more have left."""
        trial = self.record.trial
        launching.end_strangers(self.mark, [self.record.serving, trial.serving if trial else None])

    def supervise(self, restart: Restart) -> None:
        """Look once at the process of the current version: start it, let it have its port, begin it
        again."""
        self.write()
        launching.trim(self.log)
        current, serving = self.record.current, self.record.serving
        if current is None:
            return
        if self.record.ended:
            self.say("ended", self.record.ended)
        elif serving is None:
            if time.monotonic() >= self._not_before:
                self._begin(current)
        elif launching.is_alive(serving):
            self._look(serving, current.work, restart)
        else:
            self._ended(serving, restart)

    def end(self) -> None:
        """End the process of the current version gently; it is started again when it is wanted."""
        if (serving := self.record.serving) is not None:
            launching.end(serving)
        self.keep(serving=None, ended="")
        self.sweep()
        self.start_at_once()

    def start_at_once(self) -> None:
        """Forget how long the next start was to wait."""
        self._crashes, self._not_before, self._silent = 0, 0.0, 0

    def _begin(self, current: Release) -> None:
        image = self.installed(current)
        if image is None:
            self.tell(f"the image {current.digest} is gone")
            self.keep(current=None)
            return
        try:
            serving = self.start(image, current.work)
        except (OSError, WorkspaceError) as error:
            self._not_before = time.monotonic() + self._next_pause()
            self.say("backoff", f"it can't be started: {error}")
            return
        self.keep(serving=serving)
        self._asked, self._silent = 0.0, 0
        self.say("starting")

    def _look(self, serving: Serving, work: Work, restart: Restart) -> None:
        """Whether a process that is there answers."""
        port = work.port if serving.has_port and work.port is not None else serving.own_port
        if not serving.is_ready:
            self._look_at_start(serving, work)
            return
        if time.monotonic() - self._asked < HEALTH_SECONDS:
            return
        self._asked = time.monotonic()
        self._silent = 0 if probing.answers(port) else self._silent + 1
        if self._silent == 0:
            self.say("running")
        elif self._silent >= MAX_SILENT:
            self.say("unhealthy", f"it does not answer on port {port}")
            if restart in ("always", "on-unhealthy"):
                launching.end(serving)
                self._restart(serving, self.reason)

    def _look_at_start(self, serving: Serving, work: Work) -> None:
        if serving.has_port and work.port is not None:
            is_ready = launching.listens(serving, work.port)
        else:
            is_ready = probing.answers(serving.own_port)
        if is_ready and work.port is not None and not serving.has_port:
            launching.take_port(serving)
            self.keep(serving=msgspec.structs.replace(serving, has_port=True))
        elif is_ready:
            self.keep(serving=msgspec.structs.replace(serving, is_ready=True))
            self.say("running")
        elif serving.has_port:
            launching.take_port(serving)
            self.say("starting", f"it waits for port {work.port}")
        elif time.time() - serving.began > self.house.patience.ready:
            launching.end(serving, 1.0)

    def _ended(self, serving: Serving, restart: Restart) -> None:
        """What happens after a process has ended by itself."""
        how = launching.words_of(serving, self.log)
        is_fine = how.startswith(launching.FINE)
        if restart == "never" or (restart != "always" and is_fine):
            self.sweep()
            self.say("ended", how)
            self.keep(serving=None, ended=how)
        else:
            self._restart(serving, f"it ended: {how}")

    def _restart(self, serving: Serving, why: str) -> None:
        """Start it again, after a pause."""
        if time.time() - serving.began > CALM_SECONDS:
            self._crashes = 0
        pause = self._next_pause()
        self._not_before = time.monotonic() + pause
        # First, so that nothing is said to run that has no process.
        self.say("backoff", f"{why}; it is started again in {pause:g} s")
        self.keep(serving=None, restarts=self.record.restarts + 1)
        self.sweep()

    def _next_pause(self) -> float:
        pause = min(FIRST_PAUSE * 2.0**self._crashes, LONGEST_PAUSE)
        self._crashes = min(self._crashes + 1, 16)
        return pause
