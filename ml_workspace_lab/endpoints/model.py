"""What an endpoint is: a model version behind an HTTP address with keys."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import (
    Digest,
    Key,
    Millis,
    Name,
    Text,
    Variable,
    Version,
    Word,
    text_like,
)
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.endpoints.telemetry.model import Export, Sampling
from ml_workspace_lab.endpoints.traffic import DeploymentName, RollbackRule, RolledBack, Shares
from ml_workspace_lab.environments.model import EnvironmentReference
from ml_workspace_lab.models.model import ModelName

LOCAL = "local"
"""The compute target of those who name none: this machine."""

MAX_BODY = 64 * 1024 * 1024

EndpointName = DeploymentName
"""Azure Machine Learning's rule: 3 to 32 lower-case letters, digits or `-`, a letter first."""


class EndpointState(StrEnum):
    CREATING = "Creating"
    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    FAILED = "Failed"


class RequestSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What requests may take: `request_timeout_ms` is for one that is being scored (None: as the
    variable SCORING_TIMEOUT_MS says, else an hour), `max_queued_requests` may wait for that, each
    for `max_queue_wait_ms`; a body has `max_body_bytes`. `batching`: a model that answers each row
    for itself may be given those of several requests at once."""

    request_timeout_ms: Annotated[int, Meta(ge=1, le=86_400_000)] | None = None
    max_queued_requests: Annotated[int, Meta(ge=0, le=10_000)] = 100
    max_queue_wait_ms: Annotated[int, Meta(ge=1, le=3_600_000)] = 60_000
    max_body_bytes: Annotated[int, Meta(ge=1, le=MAX_BODY)] = MAX_BODY
    batching: bool = True


Engine = Literal["auto", "native", "onnx"]
"""What is to answer: `native` is the model's own library, `onnx` ONNX Runtime with a graph that was
verified against the model, `auto` ONNX Runtime where there is such a graph, or one can be made."""

Provider = Annotated[
    str, text_like(r"^[A-Za-z0-9]+$(?!\n)", "must be letters and digits", max_length=100)
]
"""An execution provider of ONNX Runtime, such as CPUExecutionProvider."""


class ServedBy(Struct, frozen=True):
    """What answers, and why it does. Of ONNX Runtime: the `providers` at work, how many rows its
    graph was compared with the model on, and the largest difference between two numbers, relative
    to the greater of the model's own and 1 (None: there were labels alone, which were equal)."""

    engine: Literal["native", "onnxruntime"]
    reason: str
    providers: list[str] = field(default_factory=list)
    rows: int = 0
    max_difference: float | None = None
    tolerance: float | None = None

    def __str__(self) -> str:
        if not self.rows:
            return f"{self.engine} ({self.reason})"
        gap = "" if self.max_difference is None else f", max difference {self.max_difference:.2g}"
        return f"{self.engine} (verified on {self.rows} rows{gap})"


class DeploymentInfo(Struct, frozen=True):
    """A model version with scoring processes of its own behind an endpoint. `traffic` and
    `mirror_traffic` are percent of the endpoint's requests: those that it answers, and those that
    it is sent a copy of. `environment_variables` are the names of those that the processes have
    beside the usual ones; `served_by` is what answers, None until it was ready for the first time.
    `sampling` says which requests are kept, None: none; `scaling` how many workers there are to be,
    `workers` how many answer now. `compute_target` is where it is served; elsewhere than `local`
    from an image with the packages of `environment` (None: those that the model names); its workers
    are replicas there, each of which asks for `resources`."""

    name: str
    model: str
    model_version: int
    state: EndpointState
    reason: str
    traffic: int
    mirror_traffic: int
    scoring_script: str | None
    created: Millis
    updated: Millis
    user: str
    restarts: int
    environment_variables: list[str]
    request_settings: RequestSettings
    engine: Engine
    providers: list[str]
    served_by: ServedBy | None
    sampling: Sampling | None
    scaling: WorkerScaling
    workers: int
    compute_target: str
    environment: str | None
    resources: Resources | None


class EndpointInfo(Struct, frozen=True):
    """`scoring_uri` takes POST with `Authorization: Bearer KEY`. `state` and `reason` are those of
    the deployment with traffic that is worst off. `model`, `served_by` and what else a deployment
    has are those of the one with the most traffic; `deployments` has all of them. `rollback` says
    when traffic is put back, `rolled_back` that it was, and why. `export` is where metrics and
    traces go, None: as the environment of the processes says, by default nowhere."""

    name: str
    model: str
    model_version: int
    state: EndpointState
    reason: str
    port: int
    scoring_uri: str
    openapi_uri: str
    scoring_script: str | None
    created: Millis
    updated: Millis
    user: str
    restarts: int
    tags: dict[str, str]
    environment_variables: list[str]
    request_settings: RequestSettings
    engine: Engine
    providers: list[str]
    served_by: ServedBy | None
    workers: int
    traffic: Shares
    mirror_traffic: Shares
    deployments: list[DeploymentInfo]
    rollback: RollbackRule | None
    rolled_back: RolledBack | None
    export: Export | None


class EndpointList(Struct, frozen=True):
    items: list[EndpointInfo]


class DeployEndpoint(Struct, frozen=True, forbid_unknown_fields=True):
    """A model version to serve; `scoring_script` is the digest of a script with `init()` and
    `run(data)`, None to score the model as it is; port 0 takes a free one. `providers` are ONNX
    Runtime's, in their order, all of which have to be there. `deployment` is the one to make or to
    update, None for the only one there is. `scaling` says how many workers it has; None: as many as
    it had, one where it is new. `compute_target` is where it is to be served; elsewhere than
    `local` there is no `python`, but an image with the packages of `environment` (None: those that
    the model names), each replica of which asks for `resources`."""

    model: ModelName
    deployment: DeploymentName | None = None
    version: Version | None = None
    scoring_script: Digest | None = None
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    python: Word | None = None
    tags: dict[Key, Text] = field(default_factory=dict)
    environment_variables: dict[Variable, Word] = field(default_factory=dict)
    request_settings: RequestSettings = RequestSettings()
    engine: Engine = "auto"
    providers: Annotated[list[Provider], Meta(max_length=10)] = field(default_factory=list)
    scaling: WorkerScaling | None = None
    compute_target: Name = LOCAL
    environment: EnvironmentReference | None = None
    resources: Resources | None = None


class EndpointKeys(Struct, frozen=True):
    """Keys in the clear, shown this once: the workspace keeps only their hashes."""

    primary: str | None
    secondary: str | None


class DeployedEndpoint(Struct, frozen=True):
    """A deployment that was accepted; `keys` is None where the endpoint keeps those it had."""

    endpoint: EndpointInfo
    keys: EndpointKeys | None


class RegenerateKey(Struct, frozen=True, forbid_unknown_fields=True):
    key: Literal["primary", "secondary"]


class ScoreRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body for the scoring process: any JSON value. `deployment` is to answer it, whatever its
    traffic; None: the one that the traffic gives it to."""

    body: Any
    deployment: DeploymentName | None = None


class ScoreResult(Struct, frozen=True):
    """The answer of the scoring process as it came."""

    status: int
    body: Any
    run_ms: float | None
