"""The Job of an attempt, and the Secret that it may need."""

import math

from ml_workspace_lab.compute.driver import Launch, Refused
from ml_workspace_lab.compute.kubernetes.objects import (
    Capabilities,
    Claim,
    Container,
    ContainerSecurity,
    EmptyDir,
    EnvVar,
    ExitCodes,
    FailurePolicy,
    FailureRule,
    Job,
    JobSpec,
    LocalReference,
    Metadata,
    PodCondition,
    PodSecurity,
    PodSpec,
    PodTemplate,
    Requirements,
    SeccompProfile,
    Secret,
    SecretVolume,
    TemplateMetadata,
    Volume,
    VolumeMount,
)
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.jobs import tickets

MANAGED = {"app.kubernetes.io/managed-by": "ml-workspace-lab"}
RUN, ATTEMPT = "ml-workspace-lab/run", "ml-workspace-lab/attempt"
CONTAINER = "runner"
HOME = "/home/runner"
TICKETS = "/var/run/ml-workspace-lab"
TICKET = "ticket"
FAILURE_POLICY_SINCE = (1, 26)
REPLACEMENT_POLICY_SINCE = (1, 29)


def job_of(launch: Launch, settings: KubernetesSettings, version: tuple[int, int]) -> Job:
    """What is sent to a server of that minor version. Raises Refused for several nodes."""
    if launch.resources.nodes > 1:
        raise Refused("a Job of Kubernetes is one pod, on one node")
    about = {f"ml-workspace-lab/{name}": value for name, value in launch.labels.items()}
    return Job(
        api_version="batch/v1",
        kind="Job",
        metadata=Metadata(launch.name, _labels(launch), about),
        spec=JobSpec(
            backoff_limit=0,
            ttl_seconds_after_finished=settings.keep_seconds,
            template=PodTemplate(TemplateMetadata(_labels(launch), about), _pod(launch, settings)),
            # A pod of a node that is cut off is not replaced while it may still be at work.
            pod_replacement_policy="Failed" if version >= REPLACEMENT_POLICY_SINCE else None,
            pod_failure_policy=_failure_policy() if version >= FAILURE_POLICY_SINCE else None,
        ),
    )


def secret_of(launch: Launch) -> Secret | None:
    """The runner's ticket as a file: no variable, argument or manifest shows it."""
    ticket = launch.environment.get(tickets.INLINE)
    if ticket is None:
        return None
    metadata = Metadata(launch.name, _labels(launch))
    return Secret("v1", "Secret", metadata, {TICKET: ticket.encode()})


def _labels(launch: Launch) -> dict[str, str]:
    return {**MANAGED, RUN: launch.run_id, ATTEMPT: str(launch.attempt)}


def _failure_policy() -> FailurePolicy:
    """Whatever ends the pod ends the Job: whether there is another attempt is the run's record."""
    failed = ExitCodes(CONTAINER, "NotIn", [0])
    disrupted = [PodCondition("DisruptionTarget", "True")]
    return FailurePolicy(
        [
            FailureRule("FailJob", on_exit_codes=failed),
            FailureRule("FailJob", on_pod_conditions=disrupted),
        ]
    )


def _pod(launch: Launch, settings: KubernetesSettings) -> PodSpec:
    user = settings.run_as_user
    walltime = launch.walltime_s
    volumes, mounts = _volumes(launch, settings)
    return PodSpec(
        containers=[_container(launch, settings, mounts)],
        restart_policy="Never",
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=math.ceil(launch.grace_s),
        # The pod's limit, which begins on its node: the Job's would count the time that it waits.
        active_deadline_seconds=(
            None if walltime is None else math.ceil(walltime + launch.grace_s)
        ),
        security_context=PodSecurity(
            run_as_non_root=True,
            run_as_user=user,
            run_as_group=user,
            fs_group=user,
            seccomp_profile=SeccompProfile("RuntimeDefault"),
        ),
        volumes=volumes,
        image_pull_secrets=[LocalReference(name) for name in settings.image_pull_secrets],
        service_account_name=settings.service_account,
        node_selector=settings.node_selector,
        tolerations=settings.tolerations,
        priority_class_name=settings.priority_class,
    )


def _container(
    launch: Launch, settings: KubernetesSettings, mounts: list[VolumeMount]
) -> Container:
    variables = {"HOME": HOME, **launch.environment}
    if variables.pop(tickets.INLINE, None) is not None:
        variables[tickets.VARIABLE] = f"{TICKETS}/{TICKET}"
    return Container(
        name=CONTAINER,
        image=settings.image,
        image_pull_policy=settings.image_pull_policy,
        command=[literal(word) for word in (settings.python, *launch.argv[1:])],
        env=[EnvVar(name, literal(value)) for name, value in variables.items()],
        working_dir=HOME,
        resources=requirements(launch.resources, settings),
        security_context=ContainerSecurity(
            allow_privilege_escalation=False, capabilities=Capabilities(["ALL"])
        ),
        volume_mounts=mounts,
    )


def literal(text: str) -> str:
    """The text so that it arrives as it is: Kubernetes puts variables in for `$(NAME)`."""
    return text.replace("$", "$$")


def _volumes(
    launch: Launch, settings: KubernetesSettings
) -> tuple[list[Volume], list[VolumeMount]]:
    volumes = [Volume("home", empty_dir=EmptyDir())]
    mounts = [VolumeMount("home", HOME)]
    if tickets.INLINE in launch.environment:
        # Its owner is root: `fs_group` lets the runner's group, which is its own, read it too.
        volumes.append(Volume("ticket", secret=SecretVolume(launch.name, 0o400)))
        mounts.append(VolumeMount("ticket", TICKETS, read_only=True))
    if settings.shared_volume is not None:
        claim = Claim(settings.shared_volume.claim)
        volumes.append(Volume("shared", persistent_volume_claim=claim))
        mounts.append(VolumeMount("shared", settings.shared_volume.path))
    return volumes, mounts


def requirements(wanted: Resources, settings: KubernetesSettings) -> Requirements:
    """Cores are a share, which may be exceeded where others leave room; memory and GPUs are not."""
    firm: dict[str, str] = {}
    if wanted.memory_bytes is not None:
        firm["memory"] = str(wanted.memory_bytes)
    if wanted.gpus:
        firm[settings.gpu_resource] = str(wanted.gpus)
    return Requirements({"cpu": f"{math.ceil(wanted.cores * 1000)}m", **firm}, firm)
