"""The link of a runner that shares the workspace's folder: it calls the services themselves."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from ml_workspace_lab.compute.wake import poke
from ml_workspace_lab.environments.inspection import own_fingerprint, own_record
from ml_workspace_lab.environments.model import RecordRunEnvironment
from ml_workspace_lab.errors import Conflict, Gone, StorageFull, Unavailable, WorkspaceError
from ml_workspace_lab.experiments.model import LogMetrics, MetricPoint, Progress, RunState
from ml_workspace_lab.jobs import store
from ml_workspace_lab.jobs.runner.claimer import HANDED_OVER, claimer
from ml_workspace_lab.jobs.runner.kept_output import KeptOutput
from ml_workspace_lab.jobs.runner.link import NotOurs
from ml_workspace_lab.jobs.runner.log_file import LogFile
from ml_workspace_lab.jobs.runner.outcome import Outcome
from ml_workspace_lab.jobs.runner.workdir import materialise
from ml_workspace_lab.jobs.staging import lay_out
from ml_workspace_lab.jobs.store import QueuedJob
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import FileLock, write_atomic
from ml_workspace_lab.workspace import folder

REPORT_PATIENCE = 120.0


class DirectLink:
    """Holds the run's lock: that says, too, that its attempt is alive."""

    def __init__(
        self,
        services: Services,
        job: QueuedJob,
        lock: FileLock,
        nonce: str,
        *,
        handed_over: bool,
    ) -> None:
        self.run_id = job.run_id
        self.attempt = job.attempt
        self.submission = job.submission
        self.files = services.storage.run(job.run_id)
        self._services = services
        self._lock = lock
        self._log = LogFile(self.files.log)
        self._nonce = nonce
        self._handed_over = handed_over
        self._problems: list[str] = []

    @classmethod
    def claim(cls, root: Path, run_id: str, attempt: int) -> Self:
        """The attempt for this process. Raises NotOurs."""
        services = Services(folder.open_(root))
        lock = FileLock(services.storage.run(run_id).lock)
        if not lock.acquire():
            raise NotOurs
        job = store.find(services.storage.database, run_id)
        if job is None or job.attempt != attempt:
            raise NotOurs
        handed_over = HANDED_OVER in os.environ
        body = claimer()
        try:
            services.attempts.take_up(run_id, attempt, body)
        except Conflict as refusal:
            raise NotOurs(refusal.message) from None
        return cls(services, job, lock, body.nonce, handed_over=handed_over)

    def materialise(self) -> None:
        snapshot = self._services.snapshots.get(self.submission.snapshot_id)
        materialise(self._services.storage.blobs, snapshot, self.files.work)

    def stage(self) -> Mapping[str, str]:
        staging = self._services.jobs.staging(self.run_id)
        blobs = self._services.storage.blobs
        return lay_out(staging, self.files.work, lambda file: blobs.open(file.digest))

    def environment(self) -> Mapping[str, str]:
        return {"ML_WORKSPACE": str(self._services.storage.root)}

    def enter_environment(self) -> None:
        version = self._services.environments.bound(self.run_id)
        if version is None:
            return
        from ml_workspace_lab.jobs.runner import provisioning

        python = provisioning.interpreter(self, self._services, version)
        if not self._handed_over and not provisioning.is_inside(python):
            self._log.close()
            root, attempt = str(self._services.storage.root), str(self.attempt)
            words = ["-m", "ml_workspace_lab.jobs.runner", root, self.run_id, attempt]
            provisioning.replace(python, words, {HANDED_OVER: self._nonce})
        provisioning.settle(self._services, version)

    def record_environment(self) -> None:
        with suppress(WorkspaceError, OSError):
            if not self._services.environments.record_known(self.run_id, own_fingerprint()):
                found = RecordRunEnvironment(own_record())
                self._services.environments.record(self.run_id, found)

    def move(self, state: RunState, reason: str = "") -> None:
        # Where the run was asked to end at this moment, the signal that ends it is under way.
        with suppress(Conflict):
            self._services.runs.move(self.run_id, state, reason)

    def report_progress(self, progress: Progress) -> None:
        self._services.runs.report_progress(self.run_id, progress)

    def log_metrics(self, points: Sequence[MetricPoint]) -> None:
        self._services.metrics.log(self.run_id, LogMetrics(list(points)))

    def write_log(self, content: bytes) -> None:
        self._log.write(content)

    def kept_output(self) -> KeptOutput:
        return KeptOutput(self.files, self._log)

    def save_notebook(self, content: bytes, *, durable: bool = False) -> None:
        write_atomic(self.files.notebook, content, durable=durable)

    def keep(self, name: str, file: Path) -> None:
        try:
            with file.open("rb") as content:
                self._services.artifacts.put(self.run_id, name, content)
        except (OSError, WorkspaceError) as error:
            self._problems.append(f"{name}: {error}")

    def settle(self) -> list[str]:
        return self._problems

    def finish(self, outcome: Outcome) -> None:
        self._log.close()
        end = outcome.told()
        _patiently(lambda: self._services.attempts.end(self.run_id, self.attempt, end))

    def close(self) -> None:
        self._lock.release()
        poke(self._services.storage.root)


def _patiently(finish: Callable[[], None]) -> None:
    """Write the end down, waiting for a disk that is full or a database that is busy."""
    until = time.monotonic() + REPORT_PATIENCE
    while True:
        try:
            return finish()
        except Gone:
            return None  # The dispatcher gave this attempt up.
        except (StorageFull, Unavailable) as error:
            if time.monotonic() > until:
                raise
            print(f"The end can't be written yet: {error}", file=sys.stderr, flush=True)  # noqa: T201
            time.sleep(1)
