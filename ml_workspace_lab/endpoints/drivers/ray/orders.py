"""Jobs that have the program on a cluster make applications, and remove them."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ml_workspace_lab.compute.ray.jobs import JobRequest, JobsApi, RayJob
from ml_workspace_lab.compute.ray.packages import PackagesApi
from ml_workspace_lab.endpoints.drivers.elsewhere import Elsewhere, Records
from ml_workspace_lab.endpoints.drivers.ray.asked import packed

SUCCEEDED = "SUCCEEDED"
PENDING = "PENDING"
_UNDER_WAY = (PENDING, "RUNNING")
LAST_WORDS = 2000
"""How much of a job's log is shown as the reason why it failed."""


class Orders:
    """One job of a deployment at a time. Its id is in the deployment's record before there is the
    job, so that none is lost, and the record's key is in the id, so that none is taken for one of
    an earlier deployment of the same name."""

    def __init__(self, jobs: JobsApi, packages: PackagesApi, records: Records, python: str) -> None:
        self._jobs = jobs
        self._packages = packages
        self._records = records
        self._python = python
        self._ended: dict[str, RayJob] = {}
        self._stopped: set[str] = set()

    def last(self, record: Elsewhere) -> RayJob | None:
        """The job that was given last; None where there was none, or the cluster has no record of
        it any more."""
        if not record.job:
            return None
        if (known := self._ended.get(record.job)) is not None:
            return known
        found = self._jobs.get(record.job)
        if found is not None and not is_under_way(found):
            self._ended[record.job] = found
        return found

    def make_room(self, record: Elsewhere) -> bool:
        """Have the last job end; whether another one can be given. Ray goes on listing one that
        waits for room, though it was stopped (its issues 56102, 58353)."""
        last = self.last(record)
        if last is None or not is_under_way(last):
            return True
        if record.job in self._stopped and last.status == PENDING:
            return True
        self._jobs.stop(record.job)
        self._stopped.add(record.job)
        return False

    def give(
        self,
        record: Elsewhere,
        words: Sequence[str],
        applied: str,
        told: Mapping[str, Any] | None = None,
    ) -> Elsewhere:
        """Give a job; the record as it is kept from then on, which says what was `applied` once the
        job is there: what Ray did not take is given again."""
        before, number = record.job, record.jobs + 1
        own = hashlib.sha256(record.key.encode()).hexdigest()[:8]
        name = f"ws-{record.endpoint}-{record.deployment}-{own}-{number}-{words[0]}"
        record = msgspec.structs.replace(record, job=name, jobs=number)
        self._records.put(record)
        uri = self._packages.put(packed(told))
        self._jobs.submit(
            JobRequest(
                entrypoint="exec " + shlex.join([self._python, "program.py", *words]),
                submission_id=name,
                runtime_env={"working_dir": uri},
                metadata={"endpoint": record.endpoint, "deployment": record.deployment},
                entrypoint_num_cpus=0,
            )
        )
        record = msgspec.structs.replace(record, applied=applied)
        self._records.put(record)
        if before and before in self._ended:
            self.forget(before)
        return record

    def forget(self, job: str) -> None:
        """Have the cluster keep no record of a job that has ended."""
        self._jobs.forget(job)
        self._ended.pop(job, None)

    def why(self, record: Elsewhere, last: RayJob) -> str:
        """Why a job has failed: the end of what it said, else Ray's own word."""
        said = self._jobs.log_tail(record.job, LAST_WORDS).decode("utf-8", "replace").strip()
        return said.rpartition("\n")[2] or last.message or f"The job is {last.status}."


def is_under_way(job: RayJob) -> bool:
    return job.status in _UNDER_WAY
