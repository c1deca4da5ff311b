"""Questions to a cluster about deployments, and what is applied there."""

from collections.abc import Mapping
from typing import Any, TypeVar

from ml_workspace_lab.compute.driver import Refused
from ml_workspace_lab.compute.http import Engine
from ml_workspace_lab.compute.kubernetes.api import Api, said
from ml_workspace_lab.compute.kubernetes.found import PodFound
from ml_workspace_lab.endpoints.drivers.kubernetes.found import DeploymentFound, ServiceFound

T = TypeVar("T")
MANAGER = "ml-workspace-lab"
APPLY = "application/apply-patch+yaml"
_PLURALS = {
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Secret": "secrets",
    "Service": "services",
}


class ServingApi(Api):
    """One namespace of a cluster. Raises Unreachable where there is no answer, or none that can be
    used; Refused where something sent is not taken."""

    def __init__(self, engine: Engine, namespace: str) -> None:
        super().__init__(engine, namespace)
        self._here = namespace

    def apply(self, wanted: Any, *, dry_run: bool = False) -> DeploymentFound:
        """Have an object so, and leave what others have set of it; what it is then."""
        path = self._path(wanted.api_version, wanted.kind, wanted.metadata.name)
        query = f"?fieldManager={MANAGER}&force=true&fieldValidation=Strict"
        query += "&dryRun=All" if dry_run else ""
        answer = self._engine.ask("PATCH", path + query, wanted, APPLY)
        if answer.status in (400, 403, 404, 413, 422):
            raise Refused(said(answer))
        return self._decode(answer, DeploymentFound)

    def deployment(self, name: str) -> DeploymentFound | None:
        return self._find("apps/v1", "Deployment", name, DeploymentFound)

    def service(self, name: str) -> ServiceFound | None:
        return self._find("v1", "Service", name, ServiceFound)

    def pods_with(self, labels: Mapping[str, str]) -> list[PodFound]:
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return self._list(f"{self._core}/pods", PodFound, labelSelector=selector)

    def delete(self, version: str, kind: str, name: str) -> None:
        """What it owns goes with it. One that is gone is fine."""
        self._delete(self._path(version, kind, name), {"propagationPolicy": "Background"})

    def _find(self, version: str, kind: str, name: str, type_: type[T]) -> T | None:
        answer = self._engine.ask("GET", self._path(version, kind, name))
        return None if answer.status == 404 else self._decode(answer, type_)

    def _path(self, version: str, kind: str, name: str) -> str:
        root = "/apis/" if "/" in version else "/api/"
        return f"{root}{version}/namespaces/{self._here}/{_PLURALS[kind]}/{name}"
