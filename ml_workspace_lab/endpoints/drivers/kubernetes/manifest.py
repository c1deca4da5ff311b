"""The objects of a deployment: what runs it, where it is reached, what opens it, how it scales."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from ml_workspace_lab.compute.kubernetes.manifest import MANAGED, literal, requirements
from ml_workspace_lab.compute.kubernetes.objects import (
    Capabilities,
    EmptyDir,
    EnvVar,
    LocalReference,
    Metadata,
    PodSecurity,
    SeccompProfile,
    SecretVolume,
    TemplateMetadata,
    Volume,
    VolumeMount,
)
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings, ServingSettings
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.endpoints.drivers.kubernetes.objects import (
    Autoscaler,
    AutoscalerSpec,
    ContainerPort,
    DeploymentSpec,
    Exec,
    Handler,
    HttpGet,
    KeySecret,
    KubernetesDeployment,
    Lifecycle,
    Metric,
    OwnedMetadata,
    Owner,
    Probe,
    ReadOnlySecurity,
    ResourceMetric,
    RollingUpdate,
    ScaleTarget,
    ScoringContainer,
    ScoringPod,
    ScoringTemplate,
    Selector,
    Service,
    ServicePort,
    ServiceSpec,
    Strategy,
    Utilization,
)
from ml_workspace_lab.endpoints.drivers.names import name_of
from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.models.packages.interpreters import PROGRAM
from ml_workspace_lab.models.packages.places import KEYS_FILE_VARIABLE, PORT, SETTINGS_VARIABLE

CONTAINER = "scoring"
SERVICE_PORT = 80
USER = 65532
"""Nobody in particular: the number that images of ours have."""
KEYS, KEY = "/var/run/ml-workspace-lab", "keys"
TEMPORARY = "/tmp"  # noqa: S108 - in a container, where it is the only folder to write to
WORKSPACE, ENDPOINT, DEPLOYMENT, GENERATION = (
    f"ml-workspace-lab/{name}" for name in ("workspace", "endpoint", "deployment", "generation")
)
LEAVE_SECONDS = 5
"""How long one that is to leave still answers, for whoever has not heard of it."""
GRACE_SECONDS = 45
START_SECONDS = 300
PROGRESS_SECONDS = 600
AUTOSCALING_SINCE = (1, 23)
_HEALTH = HttpGet("/healthz", "http")


@dataclass(frozen=True)
class Replicas:
    """From `least` to `most` of them, so many that they use `percent` of the cores that they asked
    for."""

    least: int = 1
    most: int = 1
    percent: int = 70

    def near(self, present: int) -> int:
        """As many as there are at present, as far as that is allowed."""
        return min(max(present, self.least), self.most)


@dataclass(frozen=True)
class Asked:
    """A deployment of an endpoint of a workspace, as Kubernetes is to have it."""

    workspace: str
    endpoint: str
    deployment: str
    generation: int
    image: str
    key: str
    variables: Mapping[str, str] = field(default_factory=dict)
    requests: RequestSettings = field(default_factory=RequestSettings)
    resources: Resources = field(default_factory=Resources)
    replicas: Replicas = Replicas()

    @property
    def name(self) -> str:
        return name_of(self.workspace, self.endpoint, self.deployment)

    @property
    def labels(self) -> dict[str, str]:
        return labels_of(self.workspace, self.endpoint, self.deployment)


def labels_of(workspace: str, endpoint: str, deployment: str) -> dict[str, str]:
    return {**MANAGED, WORKSPACE: workspace, ENDPOINT: endpoint, DEPLOYMENT: deployment}


def deployment_of(
    asked: Asked, settings: KubernetesSettings, present: int = 0
) -> KubernetesDeployment:
    """A new generation comes up beside the one before it, which goes as the new one answers; with
    as many replicas as are `present`, where their number is an autoscaler's."""
    labels = {**asked.labels, GENERATION: str(asked.generation)}
    # Who has the key is told at the start: another key, another pod.
    about = {"ml-workspace-lab/key": hashlib.sha256(asked.key.encode()).hexdigest()[:16]}
    return KubernetesDeployment(
        api_version="apps/v1",
        kind="Deployment",
        metadata=Metadata(asked.name, asked.labels),
        spec=DeploymentSpec(
            selector=Selector(asked.labels),
            template=ScoringTemplate(TemplateMetadata(labels, about), _pod(asked, settings)),
            strategy=Strategy("RollingUpdate", RollingUpdate(max_unavailable=0, max_surge=1)),
            progress_deadline_seconds=PROGRESS_SECONDS,
            revision_history_limit=2,
            replicas=asked.replicas.near(present),
        ),
    )


def secret_of(asked: Asked, owner: Owner | None = None) -> KeySecret:
    """The key as a file: no variable, argument or other manifest shows it."""
    data = {KEY: asked.key.encode()}
    return KeySecret("v1", "Secret", _metadata(asked, owner), "Opaque", data)


def service_of(asked: Asked, serving: ServingSettings, owner: Owner | None = None) -> Service:
    return Service(
        api_version="v1",
        kind="Service",
        metadata=_metadata(asked, owner),
        spec=ServiceSpec(
            type=serving.service_type,
            selector=asked.labels,
            ports=[ServicePort("http", SERVICE_PORT, "http", "TCP")],
        ),
    )


def autoscaler_of(
    asked: Asked, version: tuple[int, int], owner: Owner | None = None
) -> Autoscaler | None:
    """None where the number of replicas is fixed."""
    wanted = asked.replicas
    if wanted.least >= wanted.most:
        return None
    target = ResourceMetric("cpu", Utilization("Utilization", wanted.percent))
    return Autoscaler(
        api_version=f"autoscaling/{autoscaling(version)}",
        kind="HorizontalPodAutoscaler",
        metadata=_metadata(asked, owner),
        spec=AutoscalerSpec(
            scale_target_ref=ScaleTarget("apps/v1", "Deployment", asked.name),
            min_replicas=wanted.least,
            max_replicas=wanted.most,
            metrics=[Metric("Resource", target)],
        ),
    )


def autoscaling(version: tuple[int, int]) -> str:
    """The version of the API for a server of that minor version; both say the same."""
    return "v2" if version >= AUTOSCALING_SINCE else "v2beta2"


def _metadata(asked: Asked, owner: Owner | None) -> OwnedMetadata:
    owners = [] if owner is None else [owner]
    return OwnedMetadata(asked.name, asked.labels, owner_references=owners)


def _pod(asked: Asked, settings: KubernetesSettings) -> ScoringPod:
    return ScoringPod(
        containers=[_container(asked, settings)],
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=GRACE_SECONDS,
        security_context=PodSecurity(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=SeccompProfile("RuntimeDefault"),
        ),
        volumes=[
            # Its owner is root: `fs_group` lets the process's group read it, too.
            Volume("keys", secret=SecretVolume(asked.name, 0o440)),
            Volume("temporary", empty_dir=EmptyDir()),
        ],
        image_pull_secrets=[LocalReference(name) for name in settings.image_pull_secrets],
        service_account_name=settings.service_account,
        node_selector=settings.node_selector,
        tolerations=settings.tolerations,
        priority_class_name=settings.priority_class,
    )


def _container(asked: Asked, settings: KubernetesSettings) -> ScoringContainer:
    limits = msgspec.json.encode(asked.requests).decode()
    variables = {
        **asked.variables,
        "SERVICE_NAME": asked.endpoint,
        KEYS_FILE_VARIABLE: f"{KEYS}/{KEY}",
        SETTINGS_VARIABLE: limits,
    }
    serving = settings.endpoints
    python = PROGRAM if serving is None or serving.base is None else "python3"
    wait = f"import time; time.sleep({LEAVE_SECONDS})"
    return ScoringContainer(
        name=CONTAINER,
        image=asked.image,
        image_pull_policy=settings.image_pull_policy,
        env=[EnvVar(name, literal(value)) for name, value in sorted(variables.items())],
        ports=[ContainerPort("http", PORT)],
        resources=requirements(asked.resources, settings),
        startup_probe=Probe(_HEALTH, 1, 5, START_SECONDS),
        readiness_probe=Probe(_HEALTH, 5, 5, 2),
        liveness_probe=Probe(_HEALTH, 10, 5, 6),
        lifecycle=Lifecycle(Handler(Exec([python, "-c", wait]))),
        security_context=ReadOnlySecurity(
            allow_privilege_escalation=False,
            capabilities=Capabilities(["ALL"]),
            read_only_root_filesystem=True,
        ),
        volume_mounts=[
            VolumeMount("keys", KEYS, read_only=True),
            VolumeMount("temporary", TEMPORARY),
        ],
    )
