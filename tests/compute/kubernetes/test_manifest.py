"""What is sent to Kubernetes has the form of its schemas: nothing is misspelt."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ml_workspace_lab.compute.driver import Launch, Refused
from ml_workspace_lab.compute.kubernetes.manifest import job_of, secret_of
from ml_workspace_lab.compute.kubernetes.objects import Toleration
from ml_workspace_lab.compute.kubernetes.rights import manifests
from ml_workspace_lab.compute.kubernetes.settings import KubernetesSettings, SharedVolume
from ml_workspace_lab.compute.model import Resources

PYTHON = Path(__file__).parents[3] / "build/kubernetes-schemas/bin/python"
VERSIONS = ((1, 25), (1, 31), (1, 37))
VALIDATE = """
import json, sys
from kubernetes_validate import validate
for manifest, version in json.load(sys.stdin):
    validate(manifest, version, strict=True)
"""
PLAIN = Launch("0" * 31 + "1", 1, ["python", "-m", "x"], {}, Resources(), None, 15.0)
FULL = Launch(
    "0" * 31 + "2",
    3,
    ["/usr/bin/python", "-m", "x", "$(HOME)"],
    {"A": "$b", "ML_WORKSPACE_TICKET": "a secret"},
    Resources(cores=1.5, memory_bytes=10**9, gpus=2),
    3600.0,
    15.5,
    {"user": "anna@example.org"},
)
SIMPLE = KubernetesSettings("python:3.11")
RICH = KubernetesSettings(
    "registry/lab:1",
    namespace="lab",
    image_pull_policy="Always",
    image_pull_secrets=["pull"],
    service_account="lab",
    node_selector={"pool": "gpu"},
    tolerations=[Toleration(key="gpu", operator="Exists", effect="NoSchedule")],
    priority_class="low",
    run_as_user=4711,
    shared_volume=SharedVolume("shared", "/srv/lab"),
)


def builtins(manifest: Any) -> Any:
    return json.loads(msgspec.json.encode(manifest))


def validate(cases: list[tuple[Any, str]]) -> str:
    """What the strict validator objects to, empty where it is content."""
    if not PYTHON.exists():
        pytest.skip("Kubernetes' schemas are not installed: scripts/install_kubernetes_schemas")
    done = subprocess.run(
        [PYTHON, "-c", VALIDATE], input=json.dumps(cases).encode(), capture_output=True, check=False
    )
    assert done.returncode == 0 or done.stderr
    return done.stderr.decode()


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: ".".join(map(str, v)))
def test_every_manifest_has_the_form_of_its_schema(version: tuple[int, int]) -> None:
    launches, settings = (PLAIN, FULL), (SIMPLE, RICH)
    found = [builtins(job_of(one, chosen, version)) for one in launches for chosen in settings]
    found.append(builtins(secret_of(FULL)))
    found += manifests("lab")
    assert validate([(manifest, ".".join(map(str, version))) for manifest in found]) == ""


def test_the_validator_finds_a_misspelt_field() -> None:
    job = builtins(job_of(PLAIN, SIMPLE, (1, 31)))
    job["spec"]["backofLimit"] = job["spec"].pop("backoffLimit")
    assert "backofLimit" in validate([(job, "1.31")])


def test_fields_are_sent_to_the_servers_that_have_them() -> None:
    def spec(*version: int) -> Any:
        return builtins(job_of(PLAIN, SIMPLE, version))["spec"]

    assert not spec(1, 25).keys() & {"podFailurePolicy", "podReplacementPolicy"}
    assert "podFailurePolicy" in spec(1, 26)
    assert "podReplacementPolicy" not in spec(1, 28)
    assert spec(1, 29)["podReplacementPolicy"] == "Failed"


def test_nothing_in_a_pod_is_more_than_it_needs() -> None:
    pod = builtins(job_of(FULL, RICH, (1, 31)))["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 4711,
        "runAsGroup": 4711,
        "fsGroup": 4711,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["restartPolicy"] == "Never"
    assert pod["activeDeadlineSeconds"] == 3616
    assert pod["terminationGracePeriodSeconds"] == 16
    limits = {"memory": "1000000000", "nvidia.com/gpu": "2"}
    assert container["resources"] == {"requests": {"cpu": "1500m", **limits}, "limits": limits}
    assert container["command"] == ["python3", "-m", "x", "$$(HOME)"]


def test_a_ticket_is_in_its_secret_alone() -> None:
    job, secret = builtins(job_of(FULL, RICH, (1, 31))), builtins(secret_of(FULL))
    assert secret["data"] == {"ticket": "YSBzZWNyZXQ="}
    volume = next(v for v in job["spec"]["template"]["spec"]["volumes"] if v["name"] == "ticket")
    assert volume["secret"] == {"secretName": secret["metadata"]["name"], "defaultMode": 0o400}
    assert "a secret" not in json.dumps(job)
    assert "YSBzZWNyZXQ=" not in json.dumps(job)
    assert secret_of(PLAIN) is None


def test_several_nodes_are_refused() -> None:
    with pytest.raises(Refused, match="one pod, on one node"):
        job_of(replace(PLAIN, resources=Resources(nodes=2)), SIMPLE, (1, 31))
