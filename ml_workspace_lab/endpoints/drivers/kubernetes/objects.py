"""The objects that are applied to Kubernetes for a deployment, as types."""

from msgspec import Struct, field

from ml_workspace_lab.compute.kubernetes.objects import (
    ContainerSecurity,
    EnvVar,
    LocalReference,
    Metadata,
    PodSecurity,
    Requirements,
    Sent,
    TemplateMetadata,
    Toleration,
    Volume,
    VolumeMount,
)


class Owner(Sent, frozen=True):
    """What an object goes with."""

    api_version: str
    kind: str
    name: str
    uid: str


class OwnedMetadata(Metadata, frozen=True):
    owner_references: list[Owner] = field(default_factory=list)


class Selector(Sent, frozen=True):
    match_labels: dict[str, str]


class RollingUpdate(Struct, frozen=True, rename="camel"):
    """Sent whole: 0 is no default here."""

    max_unavailable: int
    max_surge: int


class Strategy(Sent, frozen=True):
    type: str
    rolling_update: RollingUpdate


class ContainerPort(Sent, frozen=True):
    name: str
    container_port: int


class HttpGet(Sent, frozen=True):
    path: str
    port: str


class Probe(Sent, frozen=True):
    http_get: HttpGet
    period_seconds: int
    timeout_seconds: int
    failure_threshold: int


class Exec(Sent, frozen=True):
    command: list[str]


class Handler(Sent, frozen=True):
    exec: Exec


class Lifecycle(Sent, frozen=True):
    pre_stop: Handler


class ReadOnlySecurity(ContainerSecurity, frozen=True):
    read_only_root_filesystem: bool


class ScoringContainer(Sent, frozen=True):
    name: str
    image: str
    env: list[EnvVar]
    ports: list[ContainerPort]
    resources: Requirements
    startup_probe: Probe
    readiness_probe: Probe
    liveness_probe: Probe
    lifecycle: Lifecycle
    security_context: ReadOnlySecurity
    volume_mounts: list[VolumeMount]
    image_pull_policy: str | None = None


class ScoringPod(Sent, frozen=True):
    containers: list[ScoringContainer]
    automount_service_account_token: bool
    enable_service_links: bool
    termination_grace_period_seconds: int
    security_context: PodSecurity
    volumes: list[Volume]
    image_pull_secrets: list[LocalReference] = field(default_factory=list)
    service_account_name: str | None = None
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[Toleration] = field(default_factory=list)
    priority_class_name: str | None = None


class ScoringTemplate(Sent, frozen=True):
    metadata: TemplateMetadata
    spec: ScoringPod


class DeploymentSpec(Sent, frozen=True):
    selector: Selector
    template: ScoringTemplate
    strategy: Strategy
    progress_deadline_seconds: int
    revision_history_limit: int
    replicas: int


class KubernetesDeployment(Sent, frozen=True):
    api_version: str
    kind: str
    metadata: Metadata
    spec: DeploymentSpec


class ServicePort(Sent, frozen=True):
    name: str
    port: int
    target_port: str
    protocol: str
    """Sent though it is the default: what is applied finds a port again by it."""


class ServiceSpec(Sent, frozen=True):
    type: str
    selector: dict[str, str]
    ports: list[ServicePort]


class Service(Sent, frozen=True):
    api_version: str
    kind: str
    metadata: OwnedMetadata
    spec: ServiceSpec


class KeySecret(Sent, frozen=True):
    """`data` is base64 on the wire."""

    api_version: str
    kind: str
    metadata: OwnedMetadata
    type: str
    data: dict[str, bytes]


class ScaleTarget(Sent, frozen=True):
    api_version: str
    kind: str
    name: str


class Utilization(Sent, frozen=True):
    type: str
    average_utilization: int


class ResourceMetric(Sent, frozen=True):
    name: str
    target: Utilization


class Metric(Sent, frozen=True):
    type: str
    resource: ResourceMetric


class AutoscalerSpec(Sent, frozen=True):
    scale_target_ref: ScaleTarget
    min_replicas: int
    max_replicas: int
    metrics: list[Metric]


class Autoscaler(Sent, frozen=True):
    api_version: str
    kind: str
    metadata: OwnedMetadata
    spec: AutoscalerSpec
