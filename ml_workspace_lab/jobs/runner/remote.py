"""The link of a runner on another machine: over HTTP, with a spool for when nobody answers."""

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Self

import msgspec

from ml_workspace_lab.api.remote import RemoteConnection
from ml_workspace_lab.environments.inspection import own_record
from ml_workspace_lab.environments.model import RecordRunEnvironment
from ml_workspace_lab.errors import Conflict, Gone, InvalidInput, WorkspaceError
from ml_workspace_lab.experiments.model import MetricPoint, Progress, RunState
from ml_workspace_lab.jobs.attempt_model import Claim
from ml_workspace_lab.jobs.records import Moved
from ml_workspace_lab.jobs.runner import guard, patience
from ml_workspace_lab.jobs.runner.carrier import Carrier, Courier
from ml_workspace_lab.jobs.runner.claimer import claimer
from ml_workspace_lab.jobs.runner.delivery import Delivery
from ml_workspace_lab.jobs.runner.download import download
from ml_workspace_lab.jobs.runner.kept_output import KeptOutput
from ml_workspace_lab.jobs.runner.link import NotOurs
from ml_workspace_lab.jobs.runner.outcome import Outcome
from ml_workspace_lab.jobs.runner.place import About, Place
from ml_workspace_lab.jobs.runner.spool import Spool
from ml_workspace_lab.jobs.runner.spool_log import OUTPUT_AT_ONCE, SpoolLog
from ml_workspace_lab.jobs.staging import lay_out
from ml_workspace_lab.jobs.tickets import Ticket
from ml_workspace_lab.storage.files import FileLock, write_atomic
from ml_workspace_lab.storage.storage import RunFolder

TIMEOUT = 30.0
CLAIM_PATIENCE = 600.0


class RemoteLink:
    """Everything goes to the spool first, and from there to the workspace."""

    def __init__(self, ticket: Ticket, claim: Claim, place: Place, lock: FileLock) -> None:
        self.run_id = ticket.run_id
        self.attempt = ticket.attempt
        self.submission = claim.submission
        self.files: RunFolder = place
        self._place = place
        self._url = ticket.url
        self._claim = claim
        self._lock = lock
        self._connection = RemoteConnection(ticket.url, claim.token, TIMEOUT)
        self._spool = Spool(place.events)
        self._log = SpoolLog(place.log, self._spool)
        self._delivery = Delivery(self._connection, place)
        courier = Courier(self._connection, self.run_id, self.attempt, place.events)
        self._carrier = Carrier(courier, self._spool, self._delivery.show, _stop, self._refused)

    @classmethod
    def claim(cls, ticket: Ticket) -> Self:
        """The attempt for this process. Raises NotOurs; InvalidInput where the workspace is of a
        release that this runner can't work for."""
        connection = RemoteConnection(ticket.url, ticket.token, TIMEOUT)
        body = claimer()
        try:
            claim = patience.patiently(
                lambda: connection.attempts.claim(ticket.run_id, ticket.attempt, body),
                CLAIM_PATIENCE,
            )
        except (Conflict, Gone) as refusal:
            raise NotOurs(refusal.message) from None
        place = Place.make(About(ticket.url, ticket.run_id, ticket.attempt))
        lock = place.acquire()
        if lock is None:
            raise NotOurs("Its folder on this machine is in use.")
        place.token.unlink(missing_ok=True)
        write_atomic(place.token, claim.token.encode(), mode=0o400)
        told = msgspec.structs.replace(claim, token="")
        write_atomic(place.claim, msgspec.json.encode(told))
        guard.stand(f"{ticket.run_id}/{ticket.attempt}", place, lock)
        return cls(ticket, claim, place, lock)

    def materialise(self) -> None:
        patience.patiently(
            lambda: download(
                self._connection, self.run_id, self.attempt, self._claim.snapshot, self.files.work
            ),
            patience.seconds(),
        )

    def stage(self) -> Mapping[str, str]:
        jobs = self._connection.jobs

        def fetch() -> Mapping[str, str]:
            return lay_out(
                jobs.staging(self.run_id),
                self.files.work,
                lambda file: jobs.staged_file(self.run_id, file.path).stream,
            )

        return patience.patiently(fetch, patience.seconds())

    def environment(self) -> Mapping[str, str]:
        self._place.spools.mkdir(mode=0o700, exist_ok=True)
        return {
            "ML_WORKSPACE": self._url,
            "ML_WORKSPACE_TOKEN_FILE": str(self._place.token),
            "ML_WORKSPACE_CLAIM_FILE": str(self._place.claim),
            "ML_WORKSPACE_SPOOL": str(self._place.spools),
        }

    def enter_environment(self) -> None:
        if self.submission.environment is not None:
            raise InvalidInput(
                f"The environment {self.submission.environment} is built on targets that share the "
                "workspace's folder, which this one does not.",
                field="environment",
                hint="Name the interpreter that this target has: python.",
            )

    def record_environment(self) -> None:
        Thread(target=self._record_environment, name="environment", daemon=True).start()

    def _record_environment(self) -> None:
        with suppress(WorkspaceError, OSError):
            body = RecordRunEnvironment(own_record())
            self._connection.environments.record(self.run_id, body)

    def move(self, state: RunState, reason: str = "") -> None:
        self._spool.tell(Moved(state, reason))

    def report_progress(self, progress: Progress) -> None:
        self._spool.tell(progress)

    def log_metrics(self, points: Sequence[MetricPoint]) -> None:
        self._delivery.log_metrics(points)

    def write_log(self, content: bytes) -> None:
        self._log.add(content)

    def kept_output(self) -> KeptOutput:
        return KeptOutput(self.files, self._log, OUTPUT_AT_ONCE)

    def save_notebook(self, content: bytes, *, durable: bool = False) -> None:
        write_atomic(self.files.notebook, content, durable=durable)
        self._spool.news.set()

    def keep(self, name: str, file: Path) -> None:
        self._delivery.add(name, file)

    def settle(self) -> list[str]:
        return self._delivery.deliver(patience.seconds())

    def finish(self, outcome: Outcome) -> None:
        self._log.finish()
        self._spool.end(outcome.told())
        if self._carrier.finish(patience.seconds()) and not self._delivery.unsent:
            os.chdir("/")
            self._spool.close()
            shutil.rmtree(self.files.path, ignore_errors=True)

    def close(self) -> None:
        self._lock.take_back()

    def _refused(self, refusal: WorkspaceError) -> None:
        """The workspace takes nothing more: end the work, and leave what there is where it is."""
        said = f"{refusal.message} What it did not take is in {self.files.path}.\n"
        sys.stderr.write(said)
        write_atomic(self._place.refused, said.encode())
        self._delivery.give_up()
        if isinstance(refusal, Gone):
            _stop()


def _stop() -> None:
    """As an engine ends a runner: ask first, once."""
    os.kill(os.getpid(), signal.SIGTERM)
