"""What can be set for a Slurm target, and what is refused before anything is asked of Slurm."""

from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab.compute.kinds import make_driver
from ml_workspace_lab.errors import InvalidInput


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partition", "main --wrap=id"),
        ("partition", ""),
        ("account", "a\nb"),
        ("qos", "a;b"),
        ("constraint", "a b"),
        ("python", "bin/python"),
        ("logs", "../logs"),
        ("config", "/etc/slurm\0.conf"),
        ("modules", ["python; rm -rf /"]),
        ("gpu_type", "a100 "),
        ("nice", -1),
        ("poll_seconds", 0),
        ("sbatch_options", "--wrap=id"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        make_driver("slurm", "cluster", {name: value}, tmp_path)
    assert (refusal.value.field or "").startswith(name)


def test_expressions_of_slurm_are_taken(tmp_path: Path) -> None:
    chosen = {"partition": "a,b", "constraint": "[rack1*2&rack2*4]|(a&b)", "exclude": "n[1-3,7]"}
    assert make_driver("slurm", "cluster", chosen, tmp_path)


def test_without_slurms_commands_the_check_says_which_are_missing(tmp_path: Path) -> None:
    driver = make_driver("slurm", "cluster", {"commands": str(tmp_path)}, tmp_path)
    (problem,) = driver.check()
    assert "sbatch, squeue, scancel, scontrol, sinfo" in problem.message
    assert "slurm-client" in problem.hint
