"""What Ray is asked to start for an attempt."""

import math
import re
import shlex
from collections.abc import Mapping

from ml_workspace_lab.compute.driver import Launch, Refused
from ml_workspace_lab.compute.ray.jobs import JobRequest
from ml_workspace_lab.compute.ray.settings import RaySettings

STOP_WAIT = "RAY_JOB_STOP_WAIT_TIME_S"
"""In a job's environment: how long Ray waits from SIGTERM to SIGKILL (by itself, 3 s)."""
_DOLLAR = "0_DOLLAR"
"""A variable that holds a dollar sign. Its name makes Ray, which sorts them, set it first."""
_REMOVED = re.compile(r"\$\{[A-Z0-9_]+\}")


def request_for(launch: Launch, settings: RaySettings) -> JobRequest:
    wanted = launch.resources
    if wanted.nodes > 1:
        raise Refused("a job of Ray begins on one node; it can use others by Ray's own means")
    variables = _literal(launch.environment)
    variables[STOP_WAIT] = str(math.ceil(launch.grace_s))
    return JobRequest(
        # `exec`: the shell that Ray starts becomes the runner, and its exit code is the runner's.
        entrypoint="exec " + shlex.join([settings.python or launch.argv[0], *launch.argv[1:]]),
        submission_id=launch.name,
        runtime_env={"env_vars": variables},
        metadata=dict(launch.labels),
        entrypoint_num_cpus=wanted.cores,
        entrypoint_num_gpus=wanted.gpus,
        entrypoint_memory=wanted.memory_bytes or 0,
        entrypoint_resources=settings.resources or None,
    )


def _literal(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables so that they arrive as they are, though Ray puts variables of the node in for
    `$NAME` and `${NAME}`, and then takes away what looks like one that is not set."""
    for name, value in variables.items():
        if found := _REMOVED.search(value):
            raise Refused(f"Ray would take {found[0]} out of the value of the variable {name}")
    if not any("$" in value for value in variables.values()):
        return dict(variables)
    replaced = {name: value.replace("$", f"${{{_DOLLAR}}}") for name, value in variables.items()}
    return {_DOLLAR: "$", **replaced}
