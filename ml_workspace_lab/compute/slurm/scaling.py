"""Power saving: what the cluster's own configuration says of switching nodes off and on."""

import re
from collections.abc import Mapping, Sequence

from ml_workspace_lab.compute.model import Node, Scaling

UNSET = ("(null)", "")
_NEVER = ("NONE", "INFINITE", "-1", "")
_RANGES = re.compile(r"\[([^\]]*)\]")


def is_on(configured: Mapping[str, str]) -> bool:
    """Whether Slurm switches nodes off at all."""
    idle, _, _ = configured.get("SuspendTime", "NONE").partition(" ")
    return configured.get("SuspendProgram", "") not in UNSET and idle not in _NEVER


def of_configuration(configured: Mapping[str, str], nodes: Sequence[Node]) -> Scaling | None:
    """None where Slurm leaves nodes as they are. Nodes of partitions that are left out of it are
    not counted among those that stay."""
    if not is_on(configured):
        return None
    idle = float(configured["SuspendTime"].partition(" ")[0])  # "300 sec"
    kept = configured.get("SuspendExcNodes", "")
    staying = 0 if kept in UNSET else sum(map(_count, _split(kept)))
    return Scaling(min(staying, len(nodes)), len(nodes), idle)


def _split(names: str) -> list[str]:
    """The parts of a list of host names: commas within brackets belong to a range."""
    return re.findall(r"(?:[^,\[]|\[[^\]]*\])+", names)


def _count(names: str) -> int:
    """How many nodes of `n[1-8,12]` stay; of `n[1-8]:2`, two of them."""
    names, _, some = names.partition(":")
    if some:
        return int(some)
    count = 1
    for ranges in _RANGES.findall(names):
        ends = [part.split("-") for part in ranges.split(",")]
        count *= sum(int(pair[-1]) - int(pair[0]) + 1 for pair in ends)
    return count
