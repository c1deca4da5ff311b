"""The nodes of a cluster, as sinfo lists them."""

import re

from ml_workspace_lab.compute.model import Node
from ml_workspace_lab.compute.slurm import tables
from ml_workspace_lab.compute.slurm.script import MEBIBYTE

WIDTHS = {"nodelist": 128, "statelong": 32, "cpus": 16, "memory": 20, "gres": 256}
FORMAT = tables.format_of(WIDTHS)
_GPUS = re.compile(r"\bgpu(?::[^:,()]+)?:(\d+)")


def of_nodes(text: str) -> list[Node]:
    """The lines of `sinfo --noheader --Node --Format=FORMAT`, one for each node of each
    partition."""
    rows = {row["nodelist"]: row for row in tables.rows(text, WIDTHS)}
    return [_node(row) for row in rows.values()]


def _node(row: dict[str, str]) -> Node:
    return Node(
        row["nodelist"],
        row["statelong"],
        cores=float(row["cpus"]),
        memory_bytes=int(row["memory"]) * MEBIBYTE,
        gpus=sum(map(int, _GPUS.findall(row["gres"]))),
    )
