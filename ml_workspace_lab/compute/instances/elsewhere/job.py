"""The job that is the server of an instance, as its engine has it."""

import sys
import time
from collections.abc import Callable

import msgspec

from ml_workspace_lab.compute.driver import Driver, Handle, Launch, Phase, Probe, Unreachable
from ml_workspace_lab.compute.instances.folder import JobRecord, LaunchFolder, Order
from ml_workspace_lab.compute.instances.placement import Placement

GRACE_SECONDS = 15.0
"""From the request to end it until it is ended by force."""
LOOK_SECONDS = 0.2
AGAIN_SECONDS = 5.0
"""Before an engine that did not answer is asked again."""
HOST = "ml_workspace_lab.compute.instances.host"


class Job:
    """One attempt at having the server done. `tell` is given what there is to know meanwhile."""

    def __init__(
        self,
        launch: LaunchFolder,
        order: Order,
        placement: Placement,
        driver: Driver,
        tell: Callable[[str], None],
    ) -> None:
        self._launch = launch
        self._order = order
        self._placement = placement
        self._driver = driver
        self._tell = tell
        self._not_before = 0.0
        self.record = self._take_up()
        self.there = launch.there(self.record.attempt)

    def _take_up(self) -> JobRecord:
        """The attempt that another process has begun, or the next one."""
        record = self._launch.read_job()
        if record is not None and not record.is_over:
            return record
        record = JobRecord(1 if record is None else record.attempt + 1)
        self._launch.there(record.attempt).make(self._order)
        self._launch.write_job(record)
        return record

    @property
    def run_id(self) -> str:
        """What goes in a run's place: unlike that of any other start of any instance."""
        return f"instance-{self._order.name.lower()}-{self._launch.number}"

    @property
    def words(self) -> str:
        return f"Its job {self.record.native_id} on {self._placement.target}"

    @property
    def _handle(self) -> Handle:
        record = self.record
        return Handle(self._placement.target, record.native_id, self.run_id, record.attempt)

    def submit(self) -> bool:
        """Have it started, unless it is; False while the engine does not answer. Raises Refused."""
        if self.record.native_id:
            return True
        if time.monotonic() < self._not_before:
            return False
        try:
            handle = self._driver.submit(self._as_launch())
        except Unreachable as error:
            self._is_silent(error)
            return False
        self._write(msgspec.structs.replace(self.record, native_id=handle.native_id))
        return True

    def _as_launch(self) -> Launch:
        return Launch(
            run_id=self.run_id,
            attempt=self.record.attempt,
            argv=[sys.executable, "-m", HOST, str(self.there.path)],
            environment={self.there.variable: self.there.mark},
            resources=self._placement.resources,
            walltime_s=None,
            grace_s=GRACE_SECONDS,
            labels={"instance": self._order.name, "user": self._placement.user},
        )

    def probe(self) -> Probe | None:
        """What its engine says; None where it does not."""
        if time.monotonic() < self._not_before:
            return None
        handle = self._handle
        found = self._driver.probe([handle])[handle]
        if found.phase is Phase.UNREACHABLE:
            self._is_silent(Unreachable(found.reason))
            return None
        return found

    def end(self, is_given_up: Callable[[], bool]) -> None:
        """Have it ended; returns when nothing of it is left, or nobody is to ask for it any more.
        Its engine is asked for as long as it takes."""
        asked: float | None = None
        forced: float | None = None
        while True:
            try:
                if self._is_gone():
                    break
                moment = time.monotonic()
                if asked is None:
                    self._driver.cancel(self._handle, grace_s=GRACE_SECONDS)
                    asked = moment
                elif moment - (forced or asked) > GRACE_SECONDS:
                    self._driver.cancel(self._handle, grace_s=GRACE_SECONDS, force=True)
                    forced = moment
                time.sleep(LOOK_SECONDS)
            except Unreachable as error:
                self._is_silent(error)
                if is_given_up():
                    break
                time.sleep(AGAIN_SECONDS)
        self.close()

    def _is_gone(self) -> bool:
        """Raises Unreachable."""
        if not self.record.native_id:
            known = self._driver.find(self.run_id, self.record.attempt)
            if known is None:
                return True
            self._write(msgspec.structs.replace(self.record, native_id=known.native_id))
        handle = self._handle
        found = self._driver.probe([handle])[handle]
        if found.phase is Phase.UNREACHABLE:
            raise Unreachable(found.reason)
        return found.is_over

    def close(self) -> None:
        """It is over: leave nothing of it. A server that its engine has lost sight of finds its
        folder gone, and ends by itself."""
        try:
            self._driver.sweep(self._handle)
        except Unreachable as error:
            self._is_silent(error)
        self.there.remove()
        self._write(msgspec.structs.replace(self.record, is_over=True))

    def said_before(self) -> str:
        """What it printed before the server wrote into the log."""
        try:
            return self._driver.engine_log(self._handle).decode("utf-8", "replace")
        except Unreachable:
            return ""

    def _write(self, record: JobRecord) -> None:
        self.record = record
        self._launch.write_job(record)

    def _is_silent(self, error: Unreachable) -> None:
        self._not_before = time.monotonic() + AGAIN_SECONDS
        self._tell(f"{self._placement.target} does not answer: {error}")
