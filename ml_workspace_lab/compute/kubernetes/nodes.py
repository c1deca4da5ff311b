"""What the nodes of a cluster have."""

import re

from ml_workspace_lab.compute.kubernetes.found import NodeFound
from ml_workspace_lab.compute.model import Node

_QUANTITY = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0} | {
    unit: float(base**power)
    for base, units in ((1000, "k M G T P E"), (1024, "Ki Mi Gi Ti Pi Ei"))
    for power, unit in enumerate(units.split(), 1)
}


def node_of(found: NodeFound, gpu_resource: str) -> Node:
    """What pods can have of it; a cordoned one takes no more."""
    ready = {c.type: c.status for c in found.status.conditions or ()}.get("Ready")
    state = "Ready" if ready == "True" else "NotReady"
    if found.spec.unschedulable:
        state += ",SchedulingDisabled"
    has = found.status.allocatable
    return Node(
        name=found.metadata.name,
        state=state,
        cores=quantity(has.get("cpu", "0")),
        memory_bytes=int(quantity(has.get("memory", "0"))),
        gpus=int(quantity(has.get(gpu_resource, "0"))),
    )


def quantity(text: str) -> float:
    """A number as Kubernetes writes them: `1930m`, `7951Mi`, `2e3`."""
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in _UNITS:
        return 0.0
    return float(found[1]) * _UNITS[found[2]]
