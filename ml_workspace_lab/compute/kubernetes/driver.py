"""Runs as Jobs of a Kubernetes cluster, by way of its REST API."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
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
    Refused,
    Unreachable,
    native_name,
)
from ml_workspace_lab.compute.kubernetes import access
from ml_workspace_lab.compute.kubernetes.api import Api
from ml_workspace_lab.compute.kubernetes.found import JobFound, PodFound
from ml_workspace_lab.compute.kubernetes.manifest import ATTEMPT, CONTAINER, RUN, job_of, secret_of
from ml_workspace_lab.compute.kubernetes.nodes import node_of
from ml_workspace_lab.compute.kubernetes.rights import NEEDED, SERVING
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings
from ml_workspace_lab.compute.kubernetes.states import probe_of
from ml_workspace_lab.compute.model import Capacity, Problem, Resources
from ml_workspace_lab.compute.recent import Recent

OLDEST = (1, 20)
NODES_SECONDS = 30.0
"""How long what is known of the nodes is good for."""


class KubernetesDriver:
    """Keeps nothing: a Job is found by its name, which is that of run and attempt."""

    settings_type: ClassVar[type[Struct]] = KubernetesSettings

    def __init__(self, target: str, settings: KubernetesSettings, root: Path) -> None:  # noqa: ARG002
        self._target = target
        self._settings = settings
        self._listing = Recent(self._list, settings.poll_seconds)
        self._nodes = Recent(lambda: self._api.nodes(), NODES_SECONDS)

    @property
    def capabilities(self) -> frozenset[Capability]:
        found: set[Capability] = {"memory_limit", "walltime", "gpu", "engine_logs"}
        if self._settings.shared_volume is not None:
            found.add("shared_fs")
        return frozenset(found)

    def submit(self, launch: Launch) -> Handle:
        secret = secret_of(launch)
        if secret is not None and self._api.job(launch.name) is None:
            self._api.put(secret)
        # To a repeat the server answers that there is one of that name.
        self._api.create(job_of(launch, self._settings, self._version))
        self._listing.outdate()
        return self._handle(launch.run_id, launch.attempt)

    def find(self, run_id: str, attempt: int) -> Handle | None:
        job = self._api.job(native_name(run_id, attempt))
        return None if job is None else self._handle(run_id, attempt)

    def probe(self, handles: Sequence[Handle]) -> dict[Handle, Probe]:
        try:
            jobs, pods = self._listing.get()
        except Unreachable as error:
            return dict.fromkeys(handles, Probe(Phase.UNREACHABLE, reason=str(error)))
        return {h: probe_of(jobs.get(h.native_id), pods.get(h.native_id, ())) for h in handles}

    def cancel(self, handle: Handle, *, grace_s: float, force: bool = False) -> None:  # noqa: ARG002
        """The pod is given the grace that it was submitted with. By force it is gone at once, also
        where its node does not answer, which ends it when it does."""
        self._api.delete_job(handle.native_id)
        if force:
            for pod in self._pods(handle):
                self._api.delete_pod(pod.metadata.name, 0)
        self._listing.outdate()

    def sweep(self, handle: Handle) -> None:
        """The Job itself stays for a while, for people to look at."""
        self._api.delete_secret(handle.native_id)

    def engine_log(self, handle: Handle, tail_bytes: int = LOG_TAIL) -> bytes:
        logs = (
            self._api.log_tail(pod.metadata.name, CONTAINER, tail_bytes)
            for pod in self._pods(handle)
        )
        return b"".join(logs)[-tail_bytes:]

    def check(self) -> list[Problem]:
        try:
            version = self._api.version()
            if version < OLDEST:
                needed, found = (".".join(map(str, v)) for v in (OLDEST, version))
                return [Problem(f"The cluster has Kubernetes {found}; {needed} is needed.")]
            if missing := self._missing_rights():
                return missing
            self._api.create(job_of(_TRIAL, self._settings, version), dry_run=True)
        except (Unreachable, Refused) as error:
            return [Problem(str(error))]
        return []

    def capacity(self) -> Capacity:
        """The nodes, where the account may see them."""
        found = self._nodes.get() or []
        nodes = [node_of(node, self._settings.gpu_resource) for node in found]
        return Capacity(self._settings.slots, nodes)

    @cached_property
    def _api(self) -> Api:
        settings = self._settings
        return Api(access.connect(settings.kubeconfig, settings.context), settings.namespace)

    @cached_property
    def _version(self) -> tuple[int, int]:
        return self._api.version()

    def _list(self) -> tuple[dict[str, JobFound], dict[str, list[PodFound]]]:
        """Two questions for any number of attempts. The pods come first: one that is gone by the
        time of the second has a Job that says so."""
        pods = defaultdict(list)
        for pod in self._api.pods():
            pods[_name(pod)].append(pod)
        return {job.metadata.name: job for job in self._api.jobs()}, pods

    def _pods(self, handle: Handle) -> list[PodFound]:
        return [p for p in self._api.pods(handle.run_id) if _name(p) == handle.native_id]

    def _missing_rights(self) -> list[Problem]:
        wanted = NEEDED if self._settings.endpoints is None else (*NEEDED, *SERVING)
        missing = [
            f"{verb} {right.resource}"
            for right in wanted
            for verb in right.verbs
            if not self._api.may(right, verb)
        ]
        if not missing:
            return []
        where = f"in the namespace {self._settings.namespace}"
        return [
            Problem(
                f"The account may not do this {where}: {', '.join(missing)}.",
                "The documentation has a Role that grants just what is needed.",
            )
        ]

    def _handle(self, run_id: str, attempt: int) -> Handle:
        return Handle(self._target, native_name(run_id, attempt), run_id, attempt)


_TRIAL = Launch("0" * 32, 0, ["python3"], {}, Resources(), None, 1.0)
"""A Job that is only asked about."""


def _name(pod: PodFound) -> str:
    labels = pod.metadata.labels
    return native_name(labels.get(RUN, ""), int(labels.get(ATTEMPT, "0")))
