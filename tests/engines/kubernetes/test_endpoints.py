"""What a real control plane makes of the objects of a deployment. Its images are pulled by nobody
here, so pods are kept from the nodes."""

from dataclasses import replace

import msgspec
import pytest

from ml_workspace_lab.compute.driver import Refused
from ml_workspace_lab.compute.kubernetes import access
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings, ServingSettings
from ml_workspace_lab.endpoints.drivers.kubernetes import manifest
from ml_workspace_lab.endpoints.drivers.kubernetes.api import ServingApi
from ml_workspace_lab.endpoints.drivers.kubernetes.manifest import Asked, Replicas
from ml_workspace_lab.endpoints.drivers.kubernetes.objects import Owner
from ml_workspace_lab.endpoints.drivers.kubernetes.states import observed
from ml_workspace_lab.endpoints.model import EndpointState
from tests.conftest import eventually
from tests.engines.kubernetes.controlplane import ControlPlane

ASKED = Asked("0" * 32, "wine", "blue", 1, "registry/wine:1", "a secret", replicas=Replicas(2, 5))
PATHS = (
    "/apis/apps/v1/namespaces/default/deployments",
    "/apis/apps/v1/namespaces/default/replicasets",
    "/apis/autoscaling/v2beta2/namespaces/default/horizontalpodautoscalers",
    "/api/v1/namespaces/default/secrets",
    "/api/v1/namespaces/default/pods",
)


@pytest.fixture
def nowhere(settings: KubernetesSettings) -> KubernetesSettings:
    return msgspec.structs.replace(settings, node_selector={"there": "is-none"})


@pytest.fixture
def api(settings: KubernetesSettings) -> ServingApi:
    return ServingApi(access.connect(settings.kubeconfig, settings.context), settings.namespace)


def test_what_is_applied_is_kept_scheduled_and_goes_as_a_whole(
    api: ServingApi, nowhere: KubernetesSettings, plane: ControlPlane
) -> None:
    version = api.version()
    api.apply(manifest.secret_of(ASKED))
    made = api.apply(manifest.deployment_of(ASKED, nowhere))
    owner = Owner("apps/v1", "Deployment", ASKED.name, made.metadata.uid)
    serving = ServingSettings("registry", service_type="NodePort", address="here")
    scaler = manifest.autoscaler_of(ASKED, version, owner)
    for one in (
        manifest.secret_of(ASKED, owner),
        manifest.service_of(ASKED, serving, owner),
        scaler,
    ):
        api.apply(one)
    again = api.apply(manifest.deployment_of(ASKED, nowhere))
    assert again.metadata == made.metadata, "a repeat changes nothing"

    def reason() -> str:
        return observed(api.deployment(ASKED.name), api.pods_with(ASKED.labels), False).reason

    eventually(lambda: reason().startswith("Unschedulable: 0/"), 60, "the scheduler says why")
    service = api.service(ASKED.name)
    assert service is not None
    assert service.spec.ports[0].node_port
    changed = api.apply(manifest.deployment_of(replace(ASKED, generation=2), nowhere))
    assert changed.metadata.generation == made.metadata.generation + 1
    assert observed(api.deployment(ASKED.name), [], False).state is EndpointState.CREATING

    api.delete("apps/v1", "Deployment", ASKED.name)
    api.delete("apps/v1", "Deployment", ASKED.name)

    def left() -> list[str]:
        found = [item["metadata"] for path in PATHS for item in plane.items(path)]
        found += [i["metadata"] for i in plane.items("/api/v1/namespaces/default/services")]
        return [one["name"] for one in found if one["name"].startswith(ASKED.name)]

    eventually(lambda: not left(), 60, "all that it owns goes with it")


def test_what_the_server_does_not_take_is_refused_in_its_words(
    api: ServingApi, nowhere: KubernetesSettings
) -> None:
    broken = msgspec.structs.replace(nowhere, priority_class="there-is-none")
    wrong = replace(ASKED, endpoint="UPPER", image="registry/wine:1")
    with pytest.raises(Refused, match="UPPER"):
        api.apply(manifest.deployment_of(wrong, broken), dry_run=True)
