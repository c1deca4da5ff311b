"""Runs as jobs of a Ray cluster, by way of its Jobs API."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from msgspec import Struct

from ml_workspace_lab.compute.driver import (
    LOG_TAIL,
    Capability,
    Handle,
    Launch,
    Phase,
    Probe,
    Unreachable,
    native_name,
)
from ml_workspace_lab.compute.model import Capacity, Node, Problem
from ml_workspace_lab.compute.ray.access import connect
from ml_workspace_lab.compute.ray.jobs import JobsApi
from ml_workspace_lab.compute.ray.request import request_for
from ml_workspace_lab.compute.ray.settings import RaySettings
from ml_workspace_lab.compute.ray.states import probe_of
from ml_workspace_lab.compute.recent import Recent

OLDEST = (2, 9)
"""The first version of Ray whose Jobs API reserves memory for an entry point."""
NODES_SECONDS = 10.0
"""How long what is known of the nodes is good for."""


class RayDriver:
    """Keeps nothing: a job is found by its submission id, which names run and attempt."""

    settings_type: ClassVar[type[Struct]] = RaySettings

    def __init__(self, target: str, settings: RaySettings, root: Path) -> None:  # noqa: ARG002
        self._target = target
        self._settings = settings
        self._jobs = JobsApi(connect(settings))
        self._listing = Recent(self._jobs.all, settings.poll_seconds)
        self._nodes = Recent(self._jobs.nodes, NODES_SECONDS)

    @property
    def capabilities(self) -> frozenset[Capability]:
        found: set[Capability] = {"gpu", "engine_logs"}
        return frozenset(found | {"shared_fs"} if self._settings.shared_folder else found)

    def submit(self, launch: Launch) -> Handle:
        # Asked first: to a repeat Ray answers 500, and a record of it costs nothing.
        known = self.find(launch.run_id, launch.attempt)
        if known is not None:
            return known
        self._jobs.submit(request_for(launch, self._settings))
        self._listing.outdate()
        return self._handle(launch.run_id, launch.attempt)

    def find(self, run_id: str, attempt: int) -> Handle | None:
        known = self._jobs.get(native_name(run_id, attempt))
        return None if known is None else self._handle(run_id, attempt)

    def probe(self, handles: Sequence[Handle]) -> dict[Handle, Probe]:
        try:
            known = {job.submission_id: job for job in self._listing.get()}
        except Unreachable as error:
            return dict.fromkeys(handles, Probe(Phase.UNREACHABLE, reason=str(error)))
        return {handle: probe_of(known.get(handle.native_id)) for handle in handles}

    def cancel(self, handle: Handle, *, grace_s: float, force: bool = False) -> None:  # noqa: ARG002
        """Ray sends SIGTERM, and SIGKILL after the grace that the job was submitted with; there is
        no way to hasten it. A job that waits for room goes on waiting (Ray's issues 56102, 58353),
        and ends as soon as it begins."""
        self._jobs.stop(handle.native_id)
        self._listing.outdate()

    def sweep(self, handle: Handle) -> None:
        """Nothing: a job's node can't be reached from here. What a runner leaves ends with it."""

    def engine_log(self, handle: Handle, tail_bytes: int = LOG_TAIL) -> bytes:
        return self._jobs.log_tail(handle.native_id, tail_bytes)

    def check(self) -> list[Problem]:
        try:
            version = self._jobs.version()
            self._jobs.all()
            cores = sum(node.resources_total.get("CPU", 0) for node in self._nodes.get(fresh=True))
        except (Unreachable, OSError) as error:
            return [Problem(str(error), _HINT)]
        problems = []
        if (found := _version(version)) is not None and found < OLDEST:
            needed = ".".join(map(str, OLDEST))
            problems.append(Problem(f"The cluster runs Ray {version}; {needed} is needed."))
        if cores == 0 and self._settings.slots is None:
            problems.append(
                Problem(
                    "The cluster has no cores now.",
                    "Where it grows by itself, set `slots`: how many runs it is given at once.",
                )
            )
        return problems

    def capacity(self) -> Capacity:
        """The nodes that take work."""
        nodes = [
            Node(
                name=node.node_ip,
                state=node.state,
                cores=node.resources_total.get("CPU", 0),
                memory_bytes=int(node.resources_total.get("memory", 0)),
                gpus=int(node.resources_total.get("GPU", 0)),
            )
            for node in self._nodes.get()
            if node.resources_total.keys() & {"CPU", "GPU"}
        ]
        slots = self._settings.slots
        if slots is None:
            # Ray fails a job that has waited for a quarter of an hour: ours is the queue.
            slots = max(1, math.floor(sum(node.cores for node in nodes)))
        return Capacity(slots, nodes)

    def _handle(self, run_id: str, attempt: int) -> Handle:
        return Handle(self._target, native_name(run_id, attempt), run_id, attempt)


_HINT = (
    "The Jobs API is part of Ray's dashboard: the cluster needs `ray[default]`, and"
    " `ray start --head --dashboard-host=ADDRESS` where it is not on this machine."
)


def _version(text: str) -> tuple[int, ...] | None:
    found = re.match(r"(\d+)\.(\d+)", text)
    return None if found is None else (int(found[1]), int(found[2]))
