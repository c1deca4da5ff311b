"""A cluster that is as large as its work: Ray's autoscaler adds nodes for runs, and takes idle ones
away. Its nodes are processes, as Ray's own provider for trying it out makes them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ml_workspace_lab import CommandConfig, ComputeTarget, Workspace
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import end_work
from tests.engines.lan import why_there_are_no_hosts
from tests.engines.ray.cluster import RAY, SETTINGS, Cluster
from tests.waiting import eventually

NODES = {
    "cluster_name": "growing",
    "max_workers": 1,
    "provider": {
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {
            "resources": {"CPU": 2, "object_store_memory": 100_000_000},
            "node_config": {},
            "min_workers": 0,
            "max_workers": 1,
        },
    },
    "head_node_type": "ray.head.default",
    "upscaling_speed": 1.0,
    "idle_timeout_minutes": 0.1,
    "auth": {},
    "docker": {},
    "file_mounts": {},
}


class Growing(Cluster):
    """A head alone, and what its autoscaler makes beside it."""

    network = "gro"
    settings: Mapping[str, str] = {
        **SETTINGS,
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    }

    def __init__(self) -> None:
        super().__init__()
        nodes = self.folder / "nodes.yaml"
        nodes.write_text(json.dumps(NODES))  # JSON is YAML, too.
        self.head_options: Sequence[str] = [f"--autoscaling-config={nodes}"]

    def start(self) -> None:
        self.start_head()


@pytest.fixture
def growing() -> Iterator[Growing]:
    if not RAY.exists() or why_there_are_no_hosts():
        pytest.skip("there is no Ray to be started here: see the others' reasons")
    cluster = Growing()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.mark.long
def test_nodes_come_for_a_run_and_go_when_there_is_none(
    ws: Workspace, growing: Growing, token_file: Path, tmp_path: Path
) -> None:
    settings = {
        "address": growing.url, "token_file": str(token_file), "poll_seconds": 0.2, "slots": 2
    }  # fmt: skip
    target = ComputeTarget.attach(ws, "rays", "ray", settings, workspace_url="auto")
    assert target.list_nodes() == [], "the head takes no work"
    (tmp_path / "code").mkdir()
    config = CommandConfig(tmp_path / "code", ["echo", "done"], compute_target="rays")
    run = ws.experiment("e").submit(config)
    assert run.wait_for_completion(timeout_seconds=120).state is RunState.COMPLETED
    assert run.get_log() == "done\n"
    assert [node.cores for node in target.list_nodes()] == [2]
    eventually(lambda: target.list_nodes() == [], 120, "the idle node is gone")
    end_work(ws)
