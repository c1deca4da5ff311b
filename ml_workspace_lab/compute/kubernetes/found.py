"""What Kubernetes answers, as far as a driver reads it."""

from datetime import datetime

from msgspec import Struct, field


class Read(Struct, frozen=True, rename="camel"):
    pass


class MetadataFound(Read, frozen=True):
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class ConditionFound(Read, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class JobStatus(Read, frozen=True):
    conditions: list[ConditionFound] | None = None


class JobFound(Read, frozen=True):
    metadata: MetadataFound
    status: JobStatus = JobStatus()


class Waiting(Read, frozen=True):
    reason: str = ""
    message: str = ""


class Terminated(Read, frozen=True):
    exit_code: int
    signal: int | None = None
    reason: str = ""
    message: str = ""


class ContainerState(Read, frozen=True):
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Read, frozen=True):
    """`last_state` is how the container ended that was there before."""

    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    restart_count: int = 0
    ready: bool = False


class PodStatus(Read, frozen=True):
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    conditions: list[ConditionFound] | None = None
    container_statuses: list[ContainerStatus] | None = None


class PodAsked(Read, frozen=True):
    node_name: str | None = None


class PodFound(Read, frozen=True):
    metadata: MetadataFound
    spec: PodAsked = PodAsked()
    status: PodStatus = PodStatus()


class Taint(Read, frozen=True):
    effect: str


class NodeAsked(Read, frozen=True):
    unschedulable: bool = False
    taints: list[Taint] | None = None


class NodeStatus(Read, frozen=True):
    allocatable: dict[str, str] = field(default_factory=dict)
    conditions: list[ConditionFound] | None = None


class NodeFound(Read, frozen=True):
    metadata: MetadataFound
    spec: NodeAsked = NodeAsked()
    status: NodeStatus = NodeStatus()
