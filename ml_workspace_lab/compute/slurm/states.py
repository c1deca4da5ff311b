"""What Slurm says of a job, read and put as evidence."""

import os
from dataclasses import dataclass
from typing import Literal

from ml_workspace_lab.compute.driver import Phase, Probe
from ml_workspace_lab.compute.slurm import tables
from ml_workspace_lab.processes import in_words

WAITING = frozenset(
    {
        "CONFIGURING",  # its nodes are being switched on
        "PENDING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESV_DEL_HOLD",
        "SPECIAL_EXIT",
    }
)
ENDED = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "LAUNCH_FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)
"""Every other state is one of a job that holds nodes: RUNNING, COMPLETING, SUSPENDED, …"""

CAUSES: dict[str, Literal["oom", "timeout"]] = {
    "OUT_OF_MEMORY": "oom",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
}
LAST_SIGNAL = 31

WIDTHS = {"jobid": 24, "name": 96, "state": 32, "exit_code": 16, "reason": 64, "nodelist": 256}
FORMAT = tables.format_of(WIDTHS)
ACCOUNTING_FORMAT = "JobIDRaw,JobName,State,ExitCode,NodeList"


@dataclass(frozen=True)
class Job:
    """One job as Slurm's queue or its accounting has it."""

    id: str
    name: str
    state: str
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    nodes: str = ""

    @property
    def phase(self) -> Phase:
        if self.state in WAITING:
            return Phase.PENDING
        return Phase.ENDED if self.state in ENDED else Phase.RUNNING

    @property
    def probe(self) -> Probe:
        """State and reason in Slurm's own words. The code is of use only where the process itself
        made the end: with OUT_OF_MEMORY, say, Slurm puts one there that no process had."""
        own = self.state in ("COMPLETED", "FAILED")
        reason = f"{self.state} ({self.reason})" if self.reason else self.state
        if own and self.signal is not None:  # Slurm has "JobLaunchFailure" to say of it.
            reason = f"{self.state}: {in_words(-self.signal)}"
        return Probe(
            self.phase,
            exit_code=self.exit_code if own else None,
            signal=self.signal if own else None,
            reason=reason,
            cause=CAUSES.get(self.state, ""),
            out_of_sight=self.state == "NODE_FAIL",
            native={"job": self.id, "state": self.state, "nodes": self.nodes},
        )


def of_queue(text: str) -> list[Job]:
    """The lines of `squeue --noheader --Format=FORMAT`."""
    return [_of_row(row) for row in tables.rows(text, WIDTHS)]


def _of_row(row: dict[str, str]) -> Job:
    # The status of a process, as `wait` gives it; newer releases write it as accounting does.
    written = row["exit_code"]
    code, signal = _of_pair(written) if ":" in written else _of_status(int(written or 0))
    reason = "" if row["reason"] == "None" else row["reason"]
    return Job(row["jobid"], row["name"], row["state"], code, signal, reason, row["nodelist"])


def of_accounting(text: str) -> list[Job]:
    """The lines of `sacct --noheader --parsable2 --format=ACCOUNTING_FORMAT`. A state may go on:
    `CANCELLED by 1000`."""
    jobs = []
    for line in text.splitlines():
        number, name, state, pair, nodes = line.split("|")
        jobs.append(Job(number, name, state.split()[0], *_of_pair(pair), nodes=nodes))
    return jobs


def _of_status(status: int) -> tuple[int | None, int | None]:
    return _end(status >> 8, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)


def _of_pair(text: str) -> tuple[int | None, int | None]:
    """`CODE:SIGNAL`."""
    code, _, number = text.partition(":")
    return _end(int(code), int(number or 0))


def _end(code: int, number: int) -> tuple[int | None, int | None]:
    """The exit code or the signal. Numbers above those of signals are Slurm's own: 53 for a job
    whose output can't be opened, 125 for one that was out of memory."""
    if number > LAST_SIGNAL:
        return None, None
    return (None, number) if number else (code, None)
