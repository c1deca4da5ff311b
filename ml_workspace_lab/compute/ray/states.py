"""What a job's record in Ray says about the attempt."""

import re

from ml_workspace_lab.compute.driver import Phase, Probe
from ml_workspace_lab.compute.ray.jobs import RayJob

_PHASES = {
    "PENDING": Phase.PENDING,
    "RUNNING": Phase.RUNNING,
    "STOPPED": Phase.ENDED,
    "SUCCEEDED": Phase.ENDED,
    "FAILED": Phase.ENDED,
}
_LOG_FOLLOWS = re.compile(r", last available logs|\. No logs available")
_SHELL_SIGNALS = range(129, 160)
"""Exit codes by which a shell says that a signal ended its child."""


def probe_of(job: RayJob | None) -> Probe:
    if job is None:
        return Probe(Phase.ABSENT, reason="Ray has no record of the job")
    code = job.driver_exit_code
    signal = None if code is None else _signal(code)
    return Probe(
        _PHASES.get(job.status, Phase.RUNNING),
        exit_code=code if signal is None else None,
        signal=signal,
        reason=_reason(job, signal),
        # Nobody has seen the runner end: its node is gone, or only cut off.
        out_of_sight=job.status == "FAILED" and code is None and job.driver_node_id is not None,
        native={
            "status": job.status,
            "error_type": job.error_type,
            "node_id": job.driver_node_id,
        },
    )


def _signal(code: int) -> int | None:
    if code < 0:
        return -code
    return code - 128 if code in _SHELL_SIGNALS else None


def _reason(job: RayJob, signal: int | None) -> str:
    """Ray's own word, without the log that it adds: that has a place of its own."""
    if signal is not None:
        return f"killed by signal {signal}"
    return _LOG_FOLLOWS.split(job.message or "")[0]
