"""All services of a workspace: the one list that every surface derives from."""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ml_workspace_lab.access.audit import Audit
    from ml_workspace_lab.access.service import Tokens
    from ml_workspace_lab.api.operation import HostService, Service
    from ml_workspace_lab.compute.instances.service import Instances
    from ml_workspace_lab.compute.service import Computes
    from ml_workspace_lab.endpoints.batch.service import BatchScoring
    from ml_workspace_lab.endpoints.scaling_service import EndpointScaling
    from ml_workspace_lab.endpoints.service import Endpoints
    from ml_workspace_lab.endpoints.telemetry.service import EndpointTelemetry
    from ml_workspace_lab.endpoints.traffic_service import EndpointTraffic
    from ml_workspace_lab.environments.service import Environments
    from ml_workspace_lab.evaluation.datasets import EvaluationDatasets
    from ml_workspace_lab.evaluation.records import EvaluationRecords
    from ml_workspace_lab.evaluation.scorers import Scorers
    from ml_workspace_lab.experiments.artifacts import Artifacts
    from ml_workspace_lab.experiments.finding import ExperimentSearch
    from ml_workspace_lab.experiments.lineage import Lineages
    from ml_workspace_lab.experiments.logs import Logs
    from ml_workspace_lab.experiments.metrics import Metrics
    from ml_workspace_lab.experiments.runs import Runs
    from ml_workspace_lab.experiments.search.service import Search
    from ml_workspace_lab.experiments.service import Experiments
    from ml_workspace_lab.experiments.trash import Trash
    from ml_workspace_lab.experiments.uploads import ArtifactUploads
    from ml_workspace_lab.jobs.attempts import Attempts
    from ml_workspace_lab.jobs.diff import RunDiffs
    from ml_workspace_lab.jobs.service import Jobs
    from ml_workspace_lab.models.compiled.service import Compilations
    from ml_workspace_lab.models.logged import LoggedModels
    from ml_workspace_lab.models.packages.service import Packages
    from ml_workspace_lab.models.profiles.service import ModelProfiles
    from ml_workspace_lab.models.registry import Registry
    from ml_workspace_lab.models.report import ModelReports
    from ml_workspace_lab.models.service import Models
    from ml_workspace_lab.models.trust import ModelTrust
    from ml_workspace_lab.snapshots.service import Snapshots
    from ml_workspace_lab.snapshots.uploads import BlobUploads
    from ml_workspace_lab.storage.storage import Storage
    from ml_workspace_lab.tracing.assessments import Assessments
    from ml_workspace_lab.tracing.issues import Issues
    from ml_workspace_lab.tracing.service import Traces
    from ml_workspace_lab.webhooks.service import Webhooks
    from ml_workspace_lab.workspace.service import Events, Workspaces

SERVICES = {
    "workspaces": "workspace.service:Workspaces",
    "events": "workspace.service:Events",
    "tokens": "access.service:Tokens",
    "audit": "access.audit:Audit",
    "experiments": "experiments.service:Experiments",
    "experiment_search": "experiments.finding:ExperimentSearch",
    "runs": "experiments.runs:Runs",
    "metrics": "experiments.metrics:Metrics",
    "search": "experiments.search.service:Search",
    "artifacts": "experiments.artifacts:Artifacts",
    "artifact_uploads": "experiments.uploads:ArtifactUploads",
    "logs": "experiments.logs:Logs",
    "lineage": "experiments.lineage:Lineages",
    "trash": "experiments.trash:Trash",
    "snapshots": "snapshots.service:Snapshots",
    "blob_uploads": "snapshots.uploads:BlobUploads",
    "jobs": "jobs.service:Jobs",
    "run_diffs": "jobs.diff:RunDiffs",
    "attempts": "jobs.attempts:Attempts",
    "environments": "environments.service:Environments",
    "computes": "compute.service:Computes",
    "instances": "compute.instances.service:Instances",
    "models": "models.service:Models",
    "logged_models": "models.logged:LoggedModels",
    "registry": "models.registry:Registry",
    "model_reports": "models.report:ModelReports",
    "packages": "models.packages.service:Packages",
    "model_trust": "models.trust:ModelTrust",
    "compilations": "models.compiled.service:Compilations",
    "model_profiles": "models.profiles.service:ModelProfiles",
    "traces": "tracing.service:Traces",
    "assessments": "tracing.assessments:Assessments",
    "issues": "tracing.issues:Issues",
    "evaluation_datasets": "evaluation.datasets:EvaluationDatasets",
    "evaluation_records": "evaluation.records:EvaluationRecords",
    "scorers": "evaluation.scorers:Scorers",
    "webhooks": "webhooks.service:Webhooks",
    "endpoints": "endpoints.service:Endpoints",
    "endpoint_traffic": "endpoints.traffic_service:EndpointTraffic",
    "endpoint_scaling": "endpoints.scaling_service:EndpointScaling",
    "endpoint_telemetry": "endpoints.telemetry.service:EndpointTelemetry",
    "batch_scoring": "endpoints.batch.service:BatchScoring",
    "setup": "workspace.setup:Setup",
    "notebooks": "notebook.live:LiveNotebooks",
}


def service_class(name: str) -> "type[Service | HostService]":
    """The class of a service, imported when it is first asked for: a client stays light."""
    module, attribute = SERVICES[name].split(":")
    found: type[Service | HostService] = getattr(
        import_module(f"ml_workspace_lab.{module}"), attribute
    )
    return found


class ByName(ABC):
    """The services as attributes, typed for those who use them."""

    workspaces: "Workspaces"
    events: "Events"
    tokens: "Tokens"
    audit: "Audit"
    experiments: "Experiments"
    experiment_search: "ExperimentSearch"
    runs: "Runs"
    metrics: "Metrics"
    search: "Search"
    artifacts: "Artifacts"
    artifact_uploads: "ArtifactUploads"
    logs: "Logs"
    lineage: "Lineages"
    trash: "Trash"
    snapshots: "Snapshots"
    blob_uploads: "BlobUploads"
    jobs: "Jobs"
    run_diffs: "RunDiffs"
    attempts: "Attempts"
    environments: "Environments"
    computes: "Computes"
    instances: "Instances"
    models: "Models"
    logged_models: "LoggedModels"
    registry: "Registry"
    model_reports: "ModelReports"
    packages: "Packages"
    model_trust: "ModelTrust"
    compilations: "Compilations"
    model_profiles: "ModelProfiles"
    traces: "Traces"
    assessments: "Assessments"
    issues: "Issues"
    evaluation_datasets: "EvaluationDatasets"
    evaluation_records: "EvaluationRecords"
    scorers: "Scorers"
    webhooks: "Webhooks"
    endpoints: "Endpoints"
    endpoint_traffic: "EndpointTraffic"
    endpoint_scaling: "EndpointScaling"
    endpoint_telemetry: "EndpointTelemetry"
    batch_scoring: "BatchScoring"

    def __getattr__(self, name: str) -> Any:
        if name not in SERVICES:
            raise AttributeError(name)
        service = self.make(name)
        setattr(self, name, service)
        return service

    @abstractmethod
    def make(self, name: str) -> Any:
        """The service of that name, or what stands for it."""


class Services(ByName):
    """The services over one workspace's storage, each made when it is first used.

    Nothing is checked here: this is for the services themselves and for trusted processes of the
    workspace. Users come through a `Connection`.
    """

    def __init__(self, storage: "Storage") -> None:
        self.storage = storage

    def make(self, name: str) -> Any:
        return cast("type[Service]", service_class(name))(self.storage, self)
