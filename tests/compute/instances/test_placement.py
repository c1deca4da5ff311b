"""Where an instance can be: what a target can't have is refused before anything is begun."""

from typing import Any

import pytest

from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.compute.instances.model import CreateInstance, UpdateInstance
from ml_workspace_lab.compute.model import AttachCompute, Resources
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.storage.storage import Storage

TARGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "cluster": ("slurm", {}),
    "far": ("slurm", {"shared_folder": False}),
    "ray": ("ray", {"address": "http://127.0.0.1:1", "shared_folder": True}),
}


@pytest.fixture
def lab(storage: Storage) -> LocalConnection:
    """A workspace with targets whose engines nobody asks."""
    connection = LocalConnection(storage)
    for name, (kind, settings) in TARGETS.items():
        connection.computes.attach(AttachCompute(name, kind, settings, unchecked=True))
    return connection


@pytest.mark.parametrize(
    ("target", "resources", "field", "said"),
    [
        ("local", Resources(), "resources", "are for jobs"),
        ("ray", None, "compute_target", "of the kind ray, which has no instances"),
        ("far", None, "compute_target", "do not see the workspace's folder"),
        ("cluster", Resources(nodes=2), "resources.nodes", "2 are asked for"),
        ("cluster", Resources(cores=0), "resources.cores", "0"),
    ],
)
def test_what_a_target_can_not_have_is_refused_by_field(
    lab: LocalConnection, target: str, resources: Resources | None, field: str, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said) as refusal:
        lab.instances.create(CreateInstance("nb1", compute_target=target, resources=resources))
    assert refusal.value.field == field
    assert lab.instances.list().items == []


def test_a_target_that_is_not_there_is_told(lab: LocalConnection) -> None:
    with pytest.raises(NotFound, match="no compute target 'none'") as refusal:
        lab.instances.create(CreateInstance("nb1", compute_target="none"))
    assert refusal.value.field == "compute_target"


def test_what_is_asked_of_a_target_is_kept_and_can_be_changed(lab: LocalConnection) -> None:
    assert lab.instances.create(CreateInstance("here")).compute_target == "local"
    made = lab.instances.create(CreateInstance("nb1", compute_target="cluster"))
    assert (made.compute_target, made.resources) == ("cluster", None)
    wanted = Resources(2, 2**30)
    assert lab.instances.update("nb1", UpdateInstance(resources=wanted)).resources == wanted
    assert lab.instances.update("nb1", UpdateInstance(description="x")).resources == wanted
    with pytest.raises(InvalidInput, match="are for jobs"):
        lab.instances.update("here", UpdateInstance(resources=wanted))
    assert lab.instances.get("here").resources is None
