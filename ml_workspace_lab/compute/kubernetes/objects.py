"""The objects that are sent to Kubernetes, as types: what is misspelt can't be sent."""

from msgspec import Struct, field


class Sent(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What is left at its default isn't sent; a field without one always is."""


class Metadata(Sent, frozen=True):
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


class TemplateMetadata(Sent, frozen=True):
    labels: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict)


class LocalReference(Sent, frozen=True):
    name: str


class Toleration(Sent, frozen=True, forbid_unknown_fields=True):
    """Lets pods onto nodes with a taint: `key` with `operator` Exists, or Equal to `value`."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None


class EnvVar(Sent, frozen=True):
    name: str
    value: str


class Requirements(Sent, frozen=True):
    requests: dict[str, str]
    limits: dict[str, str] = field(default_factory=dict)


class Capabilities(Sent, frozen=True):
    drop: list[str]


class SeccompProfile(Sent, frozen=True):
    type: str


class ContainerSecurity(Sent, frozen=True):
    allow_privilege_escalation: bool
    capabilities: Capabilities


class PodSecurity(Sent, frozen=True):
    run_as_non_root: bool
    run_as_user: int
    run_as_group: int
    fs_group: int
    seccomp_profile: SeccompProfile


class VolumeMount(Sent, frozen=True):
    name: str
    mount_path: str
    read_only: bool = False


class SecretVolume(Sent, frozen=True):
    secret_name: str
    default_mode: int


class EmptyDir(Sent, frozen=True):
    pass


class Claim(Sent, frozen=True):
    claim_name: str


class Volume(Sent, frozen=True):
    name: str
    secret: SecretVolume | None = None
    empty_dir: EmptyDir | None = None
    persistent_volume_claim: Claim | None = None


class Container(Sent, frozen=True):
    name: str
    image: str
    command: list[str]
    resources: Requirements
    security_context: ContainerSecurity
    volume_mounts: list[VolumeMount]
    working_dir: str
    env: list[EnvVar] = field(default_factory=list)
    image_pull_policy: str | None = None


class PodSpec(Sent, frozen=True):
    containers: list[Container]
    restart_policy: str
    automount_service_account_token: bool
    enable_service_links: bool
    termination_grace_period_seconds: int
    security_context: PodSecurity
    volumes: list[Volume]
    active_deadline_seconds: int | None = None
    image_pull_secrets: list[LocalReference] = field(default_factory=list)
    service_account_name: str | None = None
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[Toleration] = field(default_factory=list)
    priority_class_name: str | None = None


class PodTemplate(Sent, frozen=True):
    metadata: TemplateMetadata
    spec: PodSpec


class ExitCodes(Sent, frozen=True):
    container_name: str
    operator: str
    values: list[int]


class PodCondition(Sent, frozen=True):
    type: str
    status: str


class FailureRule(Sent, frozen=True):
    action: str
    on_exit_codes: ExitCodes | None = None
    on_pod_conditions: list[PodCondition] = field(default_factory=list)


class FailurePolicy(Sent, frozen=True):
    rules: list[FailureRule]


class JobSpec(Sent, frozen=True):
    backoff_limit: int
    template: PodTemplate
    ttl_seconds_after_finished: int
    pod_replacement_policy: str | None = None
    pod_failure_policy: FailurePolicy | None = None


class Job(Sent, frozen=True):
    api_version: str
    kind: str
    metadata: Metadata
    spec: JobSpec


class Secret(Sent, frozen=True):
    """`data` is base64 on the wire."""

    api_version: str
    kind: str
    metadata: Metadata
    data: dict[str, bytes]
    type: str = "Opaque"
