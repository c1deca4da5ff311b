"""What an owner sets for a Kubernetes target."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import Word, text_like
from ml_workspace_lab.compute.kubernetes.objects import Toleration
from ml_workspace_lab.compute.model import Count

Label = Annotated[
    str,
    text_like(
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$(?!\n)",
        "must be a name as Kubernetes has them: a-z, 0-9, - and .",
        max_length=253,
    ),
]
Image = Annotated[
    str,
    text_like(r"^[^\s\x00-\x1f\x7f]+$(?!\n)", "must be an image's name", max_length=1024),
]
MountPath = Annotated[
    str,
    text_like(r"^/[^\x00-\x1f\x7f:]*$(?!\n)", "must be an absolute path", max_length=1024),
]


class SharedVolume(Struct, frozen=True, forbid_unknown_fields=True):
    """A PersistentVolumeClaim of the namespace, mounted where the workspace's machine has it."""

    claim: Label
    path: MountPath


class ServingSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How endpoints are served. `registry` is the beginning of the names that images get
    (`HOST/REPOSITORY`): this machine pushes there as `docker login` says, and nodes pull from
    there. `base` is an image with Python that they lie on; without one they bring an interpreter.

    Each deployment has a Service, which this machine reaches at its cluster IP; by `NodePort` at
    `address`, a host that leads to the nodes; by `LoadBalancer` where that says.
    """

    registry: Image
    base: Image | None = None
    service_type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    address: Word | None = None


class KubernetesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`image` has Python (`python`) with this package. `kubeconfig` and `context` say which cluster
    and as whom; without `kubeconfig` it is the cluster that the workspace itself runs in.

    Containers run as the user `run_as_user`, who is never root. `service_account` is theirs; its
    token is not mounted. `gpu_resource` is what the cluster calls its GPUs. `shared_volume` is for
    workspaces on a file system that pods can mount. Finished Jobs are kept for `keep_seconds`. With
    `slots`, no more runs than that are handed over at once; else they wait in the cluster, which is
    asked for its Jobs at most every `poll_seconds`. `endpoints` says how deployments are served;
    without it there can be none.
    """

    image: Image
    namespace: Label = "default"
    kubeconfig: Word | None = None
    context: Word | None = None
    python: Word = "python3"
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: list[Label] = field(default_factory=list)
    service_account: Label | None = None
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[Toleration] = field(default_factory=list)
    priority_class: Label | None = None
    run_as_user: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 1000
    gpu_resource: str = "nvidia.com/gpu"
    shared_volume: SharedVolume | None = None
    keep_seconds: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 86_400
    slots: Count | None = None
    poll_seconds: Annotated[float, Meta(ge=0.1, le=600)] = 2.0
    endpoints: ServingSettings | None = None
