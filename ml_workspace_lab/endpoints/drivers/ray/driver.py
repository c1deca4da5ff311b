"""Deployments of endpoints as applications of Ray Serve.

They are made and removed by jobs, and looked at over the dashboard's API: whatever others have on
the cluster is left alone, and nothing of Ray is needed here.
"""

import hashlib
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import msgspec

from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.compute.ray.access import connect
from ml_workspace_lab.compute.ray.jobs import JobsApi
from ml_workspace_lab.compute.ray.packages import LARGEST, PackagesApi
from ml_workspace_lab.compute.ray.settings import RaySettings
from ml_workspace_lab.compute.recent import Recent
from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.drivers.driver import LOG_TAIL, Observed
from ml_workspace_lab.endpoints.drivers.elsewhere import Elsewhere, Records
from ml_workspace_lab.endpoints.drivers.images import Images, forget_package
from ml_workspace_lab.endpoints.drivers.ray.asked import Asked, Sent, digest_of, prefix_of
from ml_workspace_lab.endpoints.drivers.ray.door import Door
from ml_workspace_lab.endpoints.drivers.ray.orders import SUCCEEDED, Orders, is_under_way
from ml_workspace_lab.endpoints.drivers.ray.program import FORGOTTEN
from ml_workspace_lab.endpoints.drivers.ray.serve import Instance, ServeApi
from ml_workspace_lab.endpoints.drivers.ray.states import count_ready, observed
from ml_workspace_lab.endpoints.folder import EndpointFolder, Upstream
from ml_workspace_lab.endpoints.model import DeployEndpoint, EndpointState
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.services import Services

KIND = "ray"
LOOK_SECONDS = 0.5
_WELL = (EndpointState.HEALTHY, EndpointState.UNHEALTHY)
AGAIN_SECONDS = 10
"""What did not come about is tried again after so long."""
APPLY, PRUNE = "apply", "prune"
REMOVED = "removed"
"""What a deployment was told last that is to go."""


class RayDeployments:
    """Keeps nothing but its record: applications are found by their names, which are those of
    workspace, endpoint and deployment."""

    def __init__(self, services: Services, target: str, settings: RaySettings) -> None:
        self._services = services
        self._target = target
        self._settings = settings
        self._records = Records(services.storage.root)
        self._images = Images(services, self._send, for_base=True)
        engine = connect(settings)
        self._packages = PackagesApi(engine)
        python = settings.endpoints.python
        self._orders = Orders(JobsApi(engine), self._packages, self._records, python)
        self._serve = ServeApi(engine)
        self._instance = Recent(self._serve.look, LOOK_SECONDS)
        self._door = Door(settings)
        self._found: dict[tuple[str, str], Observed] = {}
        self._settled: set[str] = set()
        self._not_before: dict[tuple[str, str], float] = {}

    @property
    def place(self) -> str:
        return self._settings.address

    def check(self, wanted: DeployEndpoint) -> None:
        if wanted.resources is not None and wanted.resources.nodes > 1:
            raise InvalidInput("resources: a replica is on one node.", field="resources")
        self._door.check()

    def apply(self, endpoint: Wanted, wanted: WantedDeployment) -> None:  # noqa: ARG002
        self._found[wanted.endpoint, wanted.info.name] = self._step(wanted)

    def observe(self, endpoint: Wanted, wanted: WantedDeployment) -> Observed | None:  # noqa: ARG002
        return self._found.get((wanted.endpoint, wanted.info.name))

    def logs(self, endpoint: str, deployment: str, tail_bytes: int = LOG_TAIL) -> bytes:
        parts = []
        prefix = prefix_of(self._workspace, endpoint, deployment)
        for found in self._instance.get(fresh=True).beginning(prefix).values():
            for replica in (one for part in found.deployments.values() for one in part.replicas):
                if replica.actor_id is not None:
                    parts.append(f"--- {replica.replica_id} ---\n".encode())
                    parts.append(self._serve.log_tail(replica.actor_id, tail_bytes))
        return b"".join(parts)[-tail_bytes:]

    def remove(self, endpoint: str, deployment: str) -> bool:
        record = self._records.find(endpoint, deployment, self.place)
        if record is None:
            return True
        forget_package(self._services, record)
        if not record.job:
            return True
        if record.applied != REMOVED:
            if self._orders.make_room(record):
                self._prune(record, REMOVED)
            return False
        last = self._orders.last(record)
        if last is not None and is_under_way(last):
            return False
        if last is not None and last.status == SUCCEEDED:
            self._orders.forget(record.job)
            return True
        if self._is_time(record, PRUNE):
            self._prune(record, REMOVED)
        return False

    def _step(self, wanted: WantedDeployment) -> Observed:
        """Take the next step to what is wanted; how it is then."""
        instance = self._instance.get()
        record, going_on = self._images.go_on(wanted, self._record(wanted))
        there = instance.beginning(self._prefix(wanted))
        ready = sum(map(count_ready, there.values()))
        if not record.image:
            return Observed(EndpointState.CREATING, going_on, ready)
        asked = self._asked(wanted, record)
        told = asked.told(self._settings)
        if record.applied != (digest := digest_of(told)) and self._orders.make_room(record):
            record = self._orders.give(record, [APPLY], digest, {**told, "ready": ready})
        found = there.get(asked.name)
        if found is None:
            seen = self._without_application(wanted, record, asked.name)
        else:
            seen = self._with_application(wanted, record, asked, instance)
        if record.applied == digest:
            self._tidy(wanted, record, there)
        return replace(seen, ready=ready)

    def _without_application(
        self, wanted: WantedDeployment, record: Elsewhere, name: str
    ) -> Observed:
        """How it is where Serve has none of it: on its way, or failed, or gone."""
        was_well = wanted.info.state in _WELL
        away = EndpointState.UNHEALTHY if was_well else EndpointState.CREATING
        last = self._orders.last(record)
        if last is not None and is_under_way(last):
            return Observed(away, "Ray is told of it.")
        reason = "Ray Serve has it no more: it is made again."
        if last is not None and record.job.endswith(APPLY) and last.status != SUCCEEDED:
            reason = self._orders.why(record, last)
            if not was_well and last.driver_exit_code != FORGOTTEN:
                return Observed(EndpointState.FAILED, reason)
        elif name in self._instance.get(fresh=True).applications:
            return Observed(away, "Ray Serve begins with it.")
        if self._is_time(record, APPLY):
            # Somebody has removed it, or the cluster is another one: the image is there no more.
            again = msgspec.structs.replace(record, generation=0, image="", applied="")
            self._records.put(again)
        return Observed(away, reason)

    def _with_application(
        self, wanted: WantedDeployment, record: Elsewhere, asked: Asked, instance: Instance
    ) -> Observed:
        was_well = wanted.info.state in _WELL
        seen = observed(instance.applications[asked.name], was_well)
        place = self._door.place(instance)
        if place is None:
            return Observed(EndpointState.CREATING, "Ray Serve has no proxies yet.")
        address = Upstream(*place, record.key, asked.route)
        if seen.state is not EndpointState.HEALTHY:
            return replace(seen, address=address)
        if trouble := self._door.trouble(place, asked.route):
            away = EndpointState.UNHEALTHY if was_well else EndpointState.CREATING
            return Observed(away, trouble, address=address)
        return replace(seen, reason=seen.reason or self._failed_since(record), address=address)

    def _failed_since(self, record: Elsewhere) -> str:
        """Why an application that answers is not as it was last asked for; empty where it is. It is
        asked for again."""
        if not record.job.endswith(APPLY) or record.job in self._settled:
            return ""
        last = self._orders.last(record)
        if last is None or last.status == SUCCEEDED:
            self._settled.add(record.job)
            return ""
        if is_under_way(last):
            return ""
        if self._is_time(record, APPLY):
            self._records.put(msgspec.structs.replace(record, applied=""))
        return self._orders.why(record, last)

    def _tidy(self, wanted: WantedDeployment, record: Elsewhere, there: Collection[str]) -> None:
        """Remove what nobody sends requests to any more, also while the next one does not answer
        yet: that may need the room."""
        prefix = self._prefix(wanted)
        kept = {f"{prefix}{number}" for number in self._in_use(wanted)}
        last = self._orders.last(record)
        if kept.issuperset(there) or (last is not None and is_under_way(last)):
            return
        if self._is_time(record, PRUNE):
            self._orders.give(record, [PRUNE, prefix, *sorted(kept)], record.applied)

    def _in_use(self, wanted: WantedDeployment) -> Iterator[int]:
        """The generation that is wanted, and those that processes here send requests to."""
        yield wanted.generation
        folder = EndpointFolder(self._services.storage.endpoint(wanted.endpoint))
        for one in folder.generations():
            told = one.told()
            if told is None or told.deployment == wanted.info.name:
                yield one.number

    def _is_time(self, record: Elsewhere, what: str) -> bool:
        """Whether it is not too soon to try something again."""
        now, key = time.monotonic(), (record.key, what)
        if now < self._not_before.get(key, 0.0):
            return False
        self._not_before[key] = now + AGAIN_SECONDS
        return True

    def _send(self, wanted: WantedDeployment, archive: Path) -> str:  # noqa: ARG002
        """Have the cluster have an image, in parts, for as long as it takes to begin a job."""
        digest, uris = hashlib.sha256(), []
        with archive.open("rb") as source:
            while part := source.read(LARGEST):
                digest.update(part)
                uris.append(self._packages.put(part))
        if not all(self._packages.keeps(uri) for uri in uris):
            raise Unreachable(f"{self._settings.address} took too long to take the image.")
        return str(Sent(digest.hexdigest(), uris))

    def _prune(self, record: Elsewhere, applied: str) -> None:
        prefix = prefix_of(self._workspace, record.endpoint, record.deployment)
        self._orders.give(record, [PRUNE, prefix], applied)

    @cached_property
    def _workspace(self) -> str:
        return self._services.workspaces.get().workspace_id

    def _prefix(self, wanted: WantedDeployment) -> str:
        return prefix_of(self._workspace, wanted.endpoint, wanted.info.name)

    def _record(self, wanted: WantedDeployment) -> Elsewhere:
        return self._records.find_or_begin(
            wanted.endpoint,
            wanted.info.name,
            target=self._target,
            kind=KIND,
            settings=self._services.computes.target(self._target).settings,
            place=self.place,
        )

    def _asked(self, wanted: WantedDeployment, record: Elsewhere) -> Asked:
        return Asked(
            workspace=self._workspace,
            endpoint=wanted.endpoint,
            deployment=wanted.info.name,
            generation=wanted.generation,
            image=Sent.read(record.image),
            key=record.key,
            variables=wanted.variables,
            requests=wanted.info.request_settings,
            resources=wanted.info.resources or Resources(),
            scaling=wanted.info.scaling,
        )
