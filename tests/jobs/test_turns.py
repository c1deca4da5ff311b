"""Whose turn it is, as a function of what waits, what is begun and how much room there is."""

from dataclasses import replace

import pytest

from ml_workspace_lab.compute.model import Capacity, Node, Quotas
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.store import QueueEntry
from ml_workspace_lab.jobs.turns import OVERTAKING_MS, room_of, whose_turn

PLAIN = QueueEntry(
    run=0, run_id="", state=RunState.QUEUED, ended=False, target="t", owner="anna",
    stage="waiting", priority=0, cores=1, memory=0, gpus=0, nodes=1, attempt=0, native_id=None,
    enqueued=0, not_before=0, begun=None, cancel_requested=None,
)  # fmt: skip


def entry(run: int, owner: str = "anna", **more: object) -> QueueEntry:
    return replace(PLAIN, run=run, owner=owner, **more)  # type: ignore[arg-type]


def capacity(cores: float, slots: int | None = 100, memory: int = 1000) -> Capacity:
    return Capacity(slots, [Node("n", "up", cores, memory)])


def chosen(
    lines: dict[str, list[QueueEntry]],
    begun: list[QueueEntry],
    there: Capacity,
    quotas: Quotas | None = None,
    moment: int = 0,
    **served: int,
) -> list[int]:
    room = room_of(there, quotas or Quotas())
    return [one.run for one in whose_turn(begun, lines, room, moment, served)]


def test_users_take_turns() -> None:
    lines = {
        "anna": [entry(n) for n in range(1, 100)],
        "bob": [entry(n, "bob") for n in range(100, 103)],
    }
    assert chosen(lines, [], capacity(6)) == [1, 100, 2, 101, 3, 102]


def test_who_has_the_least_in_use_is_next() -> None:
    lines = {"anna": [entry(1)], "bob": [entry(2, "bob")]}
    assert chosen(lines, [entry(0, "anna")], capacity(2)) == [2]


def test_where_one_job_is_begun_at_a_time_who_was_served_last_waits() -> None:
    lines = {"anna": [entry(1), entry(2)], "bob": [entry(3, "bob")]}
    one = capacity(8, slots=1)
    assert chosen(lines, [], one) == [1]
    assert chosen(lines, [], one, anna=1) == [3]
    assert chosen(lines, [], one, anna=1, bob=2) == [1]


def test_no_more_nodes_are_in_use_than_the_quota_says() -> None:
    lines = {"anna": [entry(1, nodes=3), entry(2, nodes=2), entry(3)]}
    engines = capacity(0, slots=None)
    assert chosen(lines, [entry(0)], engines, Quotas(max_nodes=4)) == [1]
    assert chosen(lines, [entry(0)], engines, Quotas(max_nodes=3)) == [2]
    assert chosen(lines, [entry(0)], engines) == [1, 2, 3]


@pytest.mark.parametrize("wanted", [{"cores": 3.0}, {"memory": 1001}, {"gpus": 1}])
def test_nothing_is_begun_for_which_there_is_no_room(wanted: dict[str, float]) -> None:
    lines = {"anna": [entry(1, **wanted), entry(2)]}
    assert chosen(lines, [], capacity(2)) == [2]


def test_a_large_job_is_not_overtaken_for_ever() -> None:
    lines = {"anna": [entry(1, cores=2), entry(2)]}
    assert chosen(lines, [entry(0)], capacity(2)) == [2]
    assert chosen(lines, [entry(0)], capacity(2), moment=OVERTAKING_MS + 1) == []


def test_quotas_hold_for_the_target_and_for_each_user() -> None:
    lines = {"anna": [entry(1), entry(2)], "bob": [entry(3, "bob"), entry(4, "bob")]}
    there = capacity(8, slots=None)
    assert chosen(lines, [], there) == [1, 3, 2, 4]
    assert chosen(lines, [], there, Quotas(max_running=3)) == [1, 3, 2]
    assert chosen(lines, [], there, Quotas(max_cores=1)) == [1]
    assert chosen(lines, [], there, Quotas(max_running_per_user=1)) == [1, 3]
    assert chosen(lines, [entry(0)], there, Quotas(max_cores_per_user=1)) == [3]


def test_an_engine_with_its_own_queue_takes_what_it_has_no_room_for_yet() -> None:
    lines = {"anna": [entry(1, cores=64), entry(2)]}
    assert set(chosen(lines, [], capacity(2, slots=None))) == {1, 2}
