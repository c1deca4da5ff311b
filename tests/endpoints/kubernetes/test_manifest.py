"""What is applied for deployments has the form of Kubernetes' schemas, and is no more than it
needs."""

import json
from typing import Any

import pytest

from ml_workspace_lab.compute.kubernetes.rights import serving_manifests
from ml_workspace_lab.compute.kubernetes.settings import ServingSettings
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.endpoints.drivers.kubernetes.manifest import (
    Asked,
    Replicas,
    autoscaler_of,
    deployment_of,
    name_of,
    secret_of,
    service_of,
)
from ml_workspace_lab.endpoints.drivers.kubernetes.objects import Owner
from tests.compute.kubernetes.test_manifest import RICH, SIMPLE, VERSIONS, builtins, validate

IMAGE = "registry:5000/lab/wine/blue@sha256:" + "0" * 64
PLAIN = Asked("0" * 32, "wine", "blue", 7, IMAGE, "a secret")
FULL = Asked(
    "0" * 32,
    "w" * 32,
    "b" * 32,
    2**30,
    IMAGE,
    "a secret",
    variables={"A": "$(HOME)"},
    resources=Resources(cores=1.5, memory_bytes=10**9, gpus=1),
    replicas=Replicas(2, 5, 60),
)
OWNER = Owner("apps/v1", "Deployment", "ws-x", "00000000-0000-0000-0000-000000000000")


def all_of(asked: Asked, settings: Any, version: tuple[int, int]) -> list[Any]:
    serving = ServingSettings("registry/lab")
    found = [
        deployment_of(asked, settings),
        secret_of(asked),
        secret_of(asked, OWNER),
        service_of(asked, serving, OWNER),
        autoscaler_of(asked, version, OWNER),
    ]
    return [builtins(one) for one in found if one is not None]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: ".".join(map(str, v)))
def test_every_manifest_has_the_form_of_its_schema(version: tuple[int, int]) -> None:
    found = [
        manifest
        for asked in (PLAIN, FULL)
        for settings in (SIMPLE, RICH)
        for manifest in all_of(asked, settings, version)
    ]
    found += serving_manifests("lab")
    assert validate([(manifest, ".".join(map(str, version))) for manifest in found]) == ""


def test_the_validator_finds_a_misspelt_field() -> None:
    deployment = builtins(deployment_of(PLAIN, SIMPLE))
    spec = deployment["spec"]["template"]["spec"]["containers"][0]
    spec["readynessProbe"] = spec.pop("readinessProbe")
    assert "readynessProbe" in validate([(deployment, "1.31")])


def test_a_pod_is_no_more_than_it_needs_and_is_replaced_without_a_gap() -> None:
    spec = builtins(deployment_of(FULL, RICH))["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert container["resources"]["requests"]["cpu"] == "1500m"
    assert container["resources"]["limits"]["memory"] == "1000000000"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    leaves = container["lifecycle"]["preStop"]["exec"]["command"]
    assert leaves[0] == "/opt/python/bin/python3"
    assert {"name": "A", "value": "$$(HOME)"} in container["env"]


def test_replicas_stay_as_the_autoscaler_has_them_where_there_is_one() -> None:
    assert builtins(deployment_of(PLAIN, SIMPLE, 7))["spec"]["replicas"] == 1
    assert autoscaler_of(PLAIN, (1, 31)) is None
    numbers = [deployment_of(FULL, SIMPLE, present).spec.replicas for present in (0, 3, 9)]
    assert numbers == [2, 3, 5]
    scaler = builtins(autoscaler_of(FULL, (1, 31)))
    assert scaler["apiVersion"] == "autoscaling/v2"
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 5)
    [metric] = scaler["spec"]["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}
    assert builtins(autoscaler_of(FULL, (1, 20)))["apiVersion"] == "autoscaling/v2beta2"


def test_the_key_is_in_its_secret_alone() -> None:
    others = [deployment_of(FULL, RICH), service_of(FULL, ServingSettings("r/lab"), OWNER)]
    for written in ("a secret", "YSBzZWNyZXQ="):
        assert written not in json.dumps([builtins(one) for one in others])
    assert builtins(secret_of(FULL))["data"] == {"keys": "YSBzZWNyZXQ="}


def test_names_are_short_and_nobody_else_s() -> None:
    names = {name_of(w, e, d) for w in "ab" for e, d in (("a-b", "c"), ("a", "b-c"))}
    assert len(names) == 4
    assert len(FULL.name) <= 63


def test_everything_goes_with_its_deployment() -> None:
    _, _, *others = all_of(FULL, SIMPLE, (1, 31))
    assert len(others) == 3
    for one in others:
        assert one["metadata"]["ownerReferences"][0]["uid"] == OWNER.uid
        assert one["metadata"]["labels"]["ml-workspace-lab/endpoint"] == "w" * 32
