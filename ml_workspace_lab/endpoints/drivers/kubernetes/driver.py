"""Deployments of endpoints as Deployments of a Kubernetes cluster, by way of its REST API."""

from collections.abc import Sequence
from functools import cached_property

from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.kubernetes import access
from ml_workspace_lab.compute.kubernetes.found import PodFound
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings, ServingSettings
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.drivers.driver import LOG_TAIL, Observed
from ml_workspace_lab.endpoints.drivers.elsewhere import Elsewhere, Records
from ml_workspace_lab.endpoints.drivers.images import Images, forget_package
from ml_workspace_lab.endpoints.drivers.kubernetes import manifest
from ml_workspace_lab.endpoints.drivers.kubernetes.api import ServingApi
from ml_workspace_lab.endpoints.drivers.kubernetes.found import ServiceFound
from ml_workspace_lab.endpoints.drivers.kubernetes.manifest import CONTAINER, Asked, Replicas
from ml_workspace_lab.endpoints.drivers.kubernetes.objects import Owner
from ml_workspace_lab.endpoints.drivers.kubernetes.pushing import Pushing
from ml_workspace_lab.endpoints.drivers.kubernetes.states import count_ready, crashed, observed
from ml_workspace_lab.endpoints.drivers.names import name_of
from ml_workspace_lab.endpoints.folder import Upstream
from ml_workspace_lab.endpoints.model import DeployEndpoint, EndpointState
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.packages.references import Reference
from ml_workspace_lab.services import Services

KIND = "kubernetes"
LAST_WORDS = 2000
"""How much of a log is shown as the reason why a process ended."""
_WELL = (EndpointState.HEALTHY, EndpointState.UNHEALTHY)


class KubernetesDeployments:
    """Keeps nothing but its record: objects are found by their names, which are those of workspace,
    endpoint and deployment."""

    def __init__(self, services: Services, target: str, settings: KubernetesSettings) -> None:
        if settings.endpoints is None:
            raise InvalidInput(
                f"compute_target: {target} is not set up to serve endpoints.",
                field="compute_target",
                hint="Give it the setting `endpoints` with a registry.",
            )
        self._services = services
        self._target = target
        self._settings = settings
        self._serving: ServingSettings = settings.endpoints
        self._records = Records(services.storage.root)
        base = self._serving.base
        pushing = Pushing(self._serving.registry, base)
        self._images = Images(services, pushing.push, for_base=base is not None)
        self._applied: dict[tuple[str, str], Asked] = {}
        self._going_on: dict[tuple[str, str], str] = {}

    @property
    def place(self) -> str:
        settings = self._settings
        return f"{settings.kubeconfig or ''}\0{settings.context or ''}\0{settings.namespace}"

    def check(self, wanted: DeployEndpoint) -> None:
        Reference.parse(f"{self._serving.registry}/endpoint:1", "registry")
        if wanted.resources is not None and wanted.resources.nodes > 1:
            raise InvalidInput("resources: a replica is on one node.", field="resources")
        if self._serving.service_type == "NodePort" and not self._serving.address:
            raise InvalidInput(
                f"compute_target: {self._target} has no address to reach node ports at.",
                field="compute_target",
                hint="Set `address` in its `endpoints`, or another `service_type`.",
            )

    def apply(self, endpoint: Wanted, wanted: WantedDeployment) -> None:  # noqa: ARG002
        key = wanted.endpoint, wanted.info.name
        record, self._going_on[key] = self._images.go_on(wanted, self._record(wanted))
        if not record.image:
            return
        asked = self._asked(wanted, record)
        if self._applied.get(key) == asked:
            return
        # Pods wait for their key, so it comes first; then it goes with the Deployment.
        self._api.apply(manifest.secret_of(asked))
        before = self._api.deployment(asked.name)
        present = 0 if before is None else before.spec.replicas
        made = self._api.apply(manifest.deployment_of(asked, self._settings, present))
        owner = Owner("apps/v1", "Deployment", asked.name, made.metadata.uid)
        self._api.apply(manifest.secret_of(asked, owner))
        self._api.apply(manifest.service_of(asked, self._serving, owner))
        scaler = manifest.autoscaler_of(asked, self._version, owner)
        if scaler is not None:
            self._api.apply(scaler)
        else:
            self._delete_autoscaler(asked.name)
        self._applied[key] = asked

    def observe(self, endpoint: Wanted, wanted: WantedDeployment) -> Observed | None:  # noqa: ARG002
        key = wanted.endpoint, wanted.info.name
        asked = self._applied.get(key)
        record = self._record(wanted)
        if asked is None or asked.generation != wanted.generation:
            address = None if asked is None else self._address(asked.name, record.key)
            going_on = self._going_on.get(key, "")
            return Observed(EndpointState.CREATING, going_on, address=address)
        found = self._api.deployment(asked.name)
        if found is None:
            del self._applied[key]  # Somebody has deleted it: it is applied again.
        everything = self._api.pods_with(asked.labels)
        number = str(wanted.generation)
        pods = [p for p in everything if p.metadata.labels.get(manifest.GENERATION) == number]
        seen = observed(found, pods, wanted.info.state in _WELL)
        reason = seen.reason
        if seen.state is not EndpointState.HEALTHY:
            reason = self._with_last_words(reason, pods)
        address = self._address(asked.name, record.key)
        if address is None and seen.state is EndpointState.HEALTHY:
            return Observed(EndpointState.CREATING, "The Service has no address yet.")
        return Observed(seen.state, reason, count_ready(everything), address)

    def logs(self, endpoint: str, deployment: str, tail_bytes: int = LOG_TAIL) -> bytes:
        labels = manifest.labels_of(self._workspace, endpoint, deployment)
        parts = []
        for pod in self._api.pods_with(labels):
            name = pod.metadata.name
            parts.append(f"--- {name} ---\n".encode())
            parts.append(self._api.log_tail(name, CONTAINER, tail_bytes))
        return b"".join(parts)[-tail_bytes:]

    def remove(self, endpoint: str, deployment: str) -> bool:
        name = name_of(self._workspace, endpoint, deployment)
        self._applied.pop((endpoint, deployment), None)
        if (record := self._records.find(endpoint, deployment, self.place)) is not None:
            forget_package(self._services, record)
        self._delete_autoscaler(name)
        for version, kind in (("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "Secret")):
            self._api.delete(version, kind, name)
        return not self._api.pods_with(manifest.labels_of(self._workspace, endpoint, deployment))

    @cached_property
    def _api(self) -> ServingApi:
        settings = self._settings
        return ServingApi(access.connect(settings.kubeconfig, settings.context), settings.namespace)

    @cached_property
    def _version(self) -> tuple[int, int]:
        return self._api.version()

    @cached_property
    def _workspace(self) -> str:
        return self._services.workspaces.get().workspace_id

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
            image=record.image,
            key=record.key,
            variables=wanted.variables,
            requests=wanted.info.request_settings,
            resources=wanted.info.resources or Resources(),
            replicas=replicas_of(wanted.info.scaling),
        )

    def _address(self, name: str, key: str) -> Upstream | None:
        found = self._api.service(name)
        place = None if found is None else address_of(found, self._serving)
        return None if place is None else Upstream(*place, key)

    def _delete_autoscaler(self, name: str) -> None:
        version = manifest.autoscaling(self._version)
        self._api.delete(f"autoscaling/{version}", "HorizontalPodAutoscaler", name)

    def _with_last_words(self, reason: str, pods: Sequence[PodFound]) -> str:
        """With the end of the log of a process that has ended, which is what says why."""
        if (found := crashed(pods)) is None:
            return reason
        pod, has_another = found
        try:
            said = self._api.log_tail(pod, CONTAINER, LAST_WORDS, previous=has_another)
        except Unreachable:
            return reason  # Its node can't be asked: what is known is told.
        return f"{reason}\n{said.decode('utf-8', 'replace').strip()}".strip()


def replicas_of(scaling: WorkerScaling) -> Replicas:
    return Replicas(scaling.least, scaling.most, round(100 * scaling.target))


def address_of(service: ServiceFound, serving: ServingSettings) -> tuple[str, int] | None:
    """Host and port where a Service is reached from here; None while it has none."""
    if serving.service_type == "NodePort":
        ports = [port.node_port for port in service.spec.ports if port.node_port]
        return (serving.address or "", ports[0]) if ports else None
    if serving.service_type == "LoadBalancer":
        told = [one.ip or one.hostname for one in service.status.load_balancer.ingress]
        return (told[0], manifest.SERVICE_PORT) if told and told[0] else None
    known = service.spec.cluster_ip
    return (known, manifest.SERVICE_PORT) if known not in ("", "None") else None
