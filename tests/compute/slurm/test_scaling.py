"""What Slurm's configuration says of switching nodes off: the words are those of a real one."""

import pytest

from ml_workspace_lab.compute.model import Node, Scaling
from ml_workspace_lab.compute.slurm.scaling import of_configuration

NODES = [Node(f"n{number}", "idle", 2, 0) for number in range(1, 13)]
ON = {"SuspendProgram": "/sbin/off", "SuspendTime": "300 sec"}


@pytest.mark.parametrize(
    ("kept", "staying"),
    [
        ("(null)", 0),
        ("n1", 1),
        ("n1,n7", 2),
        ("n[1-3,7]", 4),
        ("n[01-03],m5", 4),
        ("n[1-8]:2,n12", 3),
        ("r[1-2]n[1-3]", 6),
        ("n[1-100]", 12),
    ],
)
def test_nodes_that_stay_are_counted(kept: str, staying: int) -> None:
    assert of_configuration({**ON, "SuspendExcNodes": kept}, NODES) == Scaling(staying, 12, 300)


@pytest.mark.parametrize(
    "off",
    [
        {"SuspendProgram": "(null)"},
        {"SuspendTime": "NONE"},
        {"SuspendTime": "INFINITE"},
        {"SuspendTime": "-1"},
    ],
)
def test_a_cluster_that_leaves_its_nodes_as_they_are_has_none(off: dict[str, str]) -> None:
    assert of_configuration({**ON, **off}, NODES) is None


def test_a_cluster_that_says_nothing_of_it_has_none() -> None:
    assert of_configuration({}, NODES) is None
