"""Whose turn it is: users take turns, and nothing is begun for which there is no room."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ml_workspace_lab.compute.model import Capacity, Quotas
from ml_workspace_lab.jobs.store import QueueEntry

OVERTAKING_MS = 300_000
"""So long smaller jobs may overtake one for which there is no room. Then all wait for it."""


@dataclass
class Use:
    """What some jobs use together."""

    runs: int = 0
    nodes: int = 0
    cores: float = 0.0
    memory: int = 0
    gpus: int = 0

    def add(self, entry: QueueEntry) -> None:
        self.runs += 1
        self.nodes += entry.nodes
        self.cores += entry.cores * entry.nodes
        self.memory += entry.memory * entry.nodes
        self.gpus += entry.gpus * entry.nodes


@dataclass(frozen=True)
class Room:
    """How much there may be in use on a target at once; None is no limit."""

    runs: int | None
    cores: float | None
    memory: int | None
    gpus: int | None
    runs_per_user: int | None
    cores_per_user: float | None
    nodes: int | None = None

    def takes(self, entry: QueueEntry, all_: Use, user: Use) -> bool:
        cores, nodes = entry.cores * entry.nodes, entry.nodes
        return all(
            limit is None or used + more <= limit + 1e-9
            for limit, used, more in (
                (self.runs, all_.runs, 1),
                (self.nodes, all_.nodes, nodes),
                (self.cores, all_.cores, cores),
                (self.memory, all_.memory, entry.memory * nodes),
                (self.gpus, all_.gpus, entry.gpus * nodes),
                (self.runs_per_user, user.runs, 1),
                (self.cores_per_user, user.cores, cores),
            )
        )


def room_of(capacity: Capacity, quotas: Quotas) -> Room:
    """An engine with a queue of its own finds room by itself; then only the quotas count."""
    cores, memory, gpus = quotas.max_cores, None, None
    if capacity.slots is not None:
        there = sum(node.cores for node in capacity.nodes)
        cores = there if cores is None else min(cores, there)
        memory = sum(node.memory_bytes for node in capacity.nodes)
        gpus = sum(node.gpus for node in capacity.nodes)
    runs = [limit for limit in (capacity.slots, quotas.max_running) if limit is not None]
    return Room(
        runs=min(runs, default=None),
        cores=cores,
        memory=memory,
        gpus=gpus,
        runs_per_user=quotas.max_running_per_user,
        cores_per_user=quotas.max_cores_per_user,
        nodes=quotas.max_nodes,
    )


def whose_turn(
    begun: Iterable[QueueEntry],
    lines: Mapping[str, Sequence[QueueEntry]],
    room: Room,
    moment: int,
    served: Mapping[str, int] = MappingProxyType({}),
) -> list[QueueEntry]:
    """The jobs to begin now, in order. `lines` has the jobs of each user that wait, best first;
    `moment` is now in ms. Next is always the user who has the fewest cores in use; of several, who
    was `served` (a number that grows with each job that is begun) the longest ago."""
    all_, users = Use(), {owner: Use() for owner in lines}
    for entry in begun:
        all_.add(entry)
        users.setdefault(entry.owner, Use()).add(entry)
    left = {owner: list(line) for owner, line in lines.items()}
    chosen: list[QueueEntry] = []
    while left:
        owner = min(
            left,
            key=lambda name: (
                users[name].cores,
                users[name].runs,
                served.get(name, 0),
                left[name][0].run,
            ),
        )
        entry = left[owner].pop(0)
        if not left[owner]:
            del left[owner]
        if room.takes(entry, all_, users[owner]):
            chosen.append(entry)
            all_.add(entry)
            users[owner].add(entry)
        elif not _room_for_user(room, users[owner], entry):
            left.pop(owner, None)  # The user's own quota is used up.
        elif moment - entry.enqueued > OVERTAKING_MS or _full(room, all_):
            break
    return chosen


def _room_for_user(room: Room, user: Use, entry: QueueEntry) -> bool:
    alone = Room(None, None, None, None, room.runs_per_user, room.cores_per_user)
    return alone.takes(entry, user, user)


def _full(room: Room, all_: Use) -> bool:
    return (room.runs is not None and all_.runs >= room.runs) or (
        room.cores is not None and all_.cores >= room.cores
    )
