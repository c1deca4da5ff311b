"""What the program on the cluster is told."""

import io
import json
import zipfile
from dataclasses import replace

from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.compute.ray.settings import RaySettings
from ml_workspace_lab.endpoints.drivers.ray.asked import (
    PROGRAM,
    Asked,
    Sent,
    digest_of,
    packed,
    prefix_of,
)
from ml_workspace_lab.endpoints.model import RequestSettings
from ml_workspace_lab.endpoints.scaling import WorkerScaling

SENT = Sent("0" * 64, ["gcs://_ray_pkg_1.zip", "gcs://_ray_pkg_2.zip"])
ASKED = Asked("0" * 32, "wine", "blue", 3, SENT, "a key", {"WORD": "$HOME"})
SETTINGS = RaySettings("http://head:8265", resources={"fast": 1.0})


def test_each_generation_is_an_application_of_its_own() -> None:
    prefix = prefix_of("0" * 32, "wine", "blue")
    assert ASKED.name == f"{prefix}3"
    assert ASKED.route == f"/{ASKED.name}"
    assert prefix.startswith("ws-wine-blue-")
    assert not replace(ASKED, deployment="bluer").name.startswith(prefix)
    assert not replace(ASKED, workspace="1" * 32).name.startswith(prefix)


def test_a_replica_asks_for_what_the_deployment_does() -> None:
    resources = Resources(0.5, memory_bytes=10**9, gpus=1)
    requests = RequestSettings(max_queued_requests=7)
    told = replace(ASKED, resources=resources, requests=requests).told(SETTINGS)
    assert told["options"]["ray_actor_options"] == {
        "num_cpus": 0.5,
        "num_gpus": 1,
        "memory": 10**9,
        "resources": {"fast": 1.0},
    }
    assert told["options"]["max_ongoing_requests"] > 7
    variables = told["variables"]
    assert (variables["WORD"], variables["SERVICE_NAME"]) == ("$HOME", "wine")
    assert variables["ML_WORKSPACE_SCORING_KEY"] == "a key"
    assert json.loads(variables["ML_WORKSPACE_SCORING_SETTINGS"])["max_queued_requests"] == 7
    assert Sent.read(str(SENT)) == SENT


def test_another_number_of_replicas_is_no_other_version() -> None:
    fixed = replace(ASKED, scaling=WorkerScaling(2)).told(SETTINGS)
    assert fixed["scale"] == {"num_replicas": 2}
    scaling = WorkerScaling(
        autoscale_enabled=True, autoscale_max_replicas=4, autoscale_target_utilization=50
    )
    scaled = replace(ASKED, scaling=scaling).told(SETTINGS)
    assert scaled["scale"]["autoscaling_config"] == {
        "min_replicas": 1,
        "max_replicas": 4,
        "target_ongoing_requests": 0.5,
    }
    assert scaled["version"] == fixed["version"]
    assert digest_of(scaled) != digest_of(fixed)
    other = replace(ASKED, variables={"WORD": "other"}).told(SETTINGS)
    assert other["version"] != fixed["version"]


def test_a_job_has_the_program_and_no_secret_where_it_is_shown() -> None:
    told = ASKED.told(SETTINGS)
    with zipfile.ZipFile(io.BytesIO(packed(told))) as archive:
        for path in PROGRAM:
            assert archive.read(path.name) == path.read_bytes()
        assert json.loads(archive.read("asked.json")) == told
    assert packed(told) == packed(told)
    shown = json.dumps(told["options"])
    assert "a key" not in shown
    assert "$HOME" not in shown
