"""What Kubernetes answers of a deployment's objects, as far as the driver reads it."""

from msgspec import field

from ml_workspace_lab.compute.kubernetes.found import ConditionFound, Read


class DeploymentMetadata(Read, frozen=True):
    name: str
    uid: str = ""
    generation: int = 0


class DeploymentAsked(Read, frozen=True):
    replicas: int = 1


class DeploymentStatus(Read, frozen=True):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: list[ConditionFound] | None = None


class DeploymentFound(Read, frozen=True):
    metadata: DeploymentMetadata
    spec: DeploymentAsked = DeploymentAsked()
    status: DeploymentStatus = DeploymentStatus()


class PortFound(Read, frozen=True):
    port: int
    node_port: int = 0


class Ingress(Read, frozen=True):
    ip: str = ""
    hostname: str = ""


class LoadBalancer(Read, frozen=True):
    ingress: list[Ingress] = field(default_factory=list)


class ServiceStatus(Read, frozen=True):
    load_balancer: LoadBalancer = LoadBalancer()


class ServiceAsked(Read, frozen=True):
    cluster_ip: str = field(default="", name="clusterIP")
    ports: list[PortFound] = field(default_factory=list)


class ServiceFound(Read, frozen=True):
    spec: ServiceAsked = ServiceAsked()
    status: ServiceStatus = ServiceStatus()
