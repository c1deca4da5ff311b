"""How many workers there are to be, and their numbers as one: without any process."""

import re
from typing import Any

import pytest

from ml_workspace_lab.client.scaling import scaling_of
from ml_workspace_lab.endpoints import scaling
from ml_workspace_lab.endpoints.autoscale import CALM_TURNS, Scale
from ml_workspace_lab.endpoints.board import Board, Post
from ml_workspace_lab.endpoints.folder import EndpointFolder, WorkerFolder
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.endpoints.scoring.gathering import counters, merged
from ml_workspace_lab.errors import InvalidInput

SETTINGS = WorkerScaling(autoscale_enabled=True, autoscale_max_replicas=4)


class Work:
    """Workers that are at work for parts of their time, as a scale sees them."""

    def __init__(self, settings: WorkerScaling = SETTINGS) -> None:
        self.settings = settings
        self.scale = Scale(1)
        self.moment = 100.0
        self.busy = dict.fromkeys(range(1, 65), 0.0)

    def for_a_second(self, *parts: float) -> int:
        self.moment += 1
        for number, part in enumerate(parts, 1):
            self.busy[number] += part
        posts = {n: Post(1, 0, 0, self.busy[n], self.moment) for n in range(1, len(parts) + 1)}
        return self.scale.look(self.settings, posts, self.moment)


def test_it_grows_at_once_and_no_further_than_it_may() -> None:
    work = Work()
    assert work.for_a_second(1.0) == 1, "nothing is known yet"
    assert work.for_a_second(0.6) == 1
    assert work.for_a_second(0.9) == 2
    assert work.for_a_second(1.0, 0.1) == 2, "the second one has just begun"
    assert work.for_a_second(1.0, 1.0) == 3
    assert work.for_a_second(1.0, 1.0, 1.0) == 3, "and so has the third"
    assert work.for_a_second(1.0, 1.0, 1.0) == 4
    assert [work.for_a_second(1.0, 1.0, 1.0, 1.0) for _ in range(5)] == [4] * 5


def test_it_shrinks_one_by_one_once_it_has_been_calm() -> None:
    work = Work()
    for _ in range(5):
        work.for_a_second(1.0, 1.0, 1.0)
    assert work.scale.count == 4
    found = [work.for_a_second(0.3, 0.3, 0.3, 0.3) for _ in range(CALM_TURNS + 5)]
    assert found[: CALM_TURNS - 2] == [4] * (CALM_TURNS - 2)
    assert (sorted(found, reverse=True), found[-1]) == (found, 2), "what they do takes two"
    assert work.for_a_second(1.0, 1.0) == 3, "and up again at once"


def test_a_fixed_number_is_kept_and_a_change_counts_at_once() -> None:
    work = Work(WorkerScaling(workers=3))
    assert [work.for_a_second(1.0, 1.0, 1.0) for _ in range(3)] == [3, 3, 3]
    work.settings = WorkerScaling()
    assert work.for_a_second(1.0, 1.0, 1.0) == 1


def test_a_worker_that_was_started_again_counts_from_nothing() -> None:
    work = Work()
    work.for_a_second(0.5)
    work.busy[1] = 0.0
    assert work.for_a_second(0.1) == 1


def test_the_most_is_the_cores_of_the_machine_unless_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scaling, "cores", lambda: 3)
    assert WorkerScaling(autoscale_enabled=True).most == 3
    assert WorkerScaling(autoscale_enabled=True, autoscale_max_replicas=9).most == 9
    assert WorkerScaling(autoscale_enabled=True, autoscale_min_replicas=5).most == 5
    assert (WorkerScaling().least, WorkerScaling().most, WorkerScaling(workers=8).most) == (1, 1, 8)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (0, "workers"),
        (65, "workers"),
        (True, "workers"),
        ("many", "workers"),
        (1.5, "workers"),
        ((3, 2), "autoscale_max_replicas"),
        ((0, 2), "autoscale_min_replicas"),
        ({"workers": 2, "autoscale_enabled": True}, "workers"),
        ({"workers": 2, "autoscale_max_replicas": 3}, "autoscale_max_replicas"),
        ({"autoscale_target_utilization": 50}, "autoscale_target_utilization"),
        (
            {"autoscale_enabled": True, "autoscale_target_utilization": 101},
            "autoscale_target_utilization",
        ),
        (
            {"autoscale_enabled": True, "autoscale_refresh_seconds": 0},
            "autoscale_refresh_seconds",
        ),
        ({"replicas": 2}, "replicas"),
    ],
)
def test_what_can_not_be_is_refused_by_its_name(given: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        scaling_of(given)
    assert refusal.value.field == field


def test_a_board_has_a_row_for_each(tmp_path: Any) -> None:
    one, other = Board(tmp_path / "board"), Board(tmp_path / "board")
    assert one.rows() == {}
    one.post(1, Post(5001, 2, 3, 0.25, 7.5))
    other.post(64, Post(5002, 0, 0, 0.5, 8.5))
    assert other.rows() == {1: Post(5001, 2, 3, 0.25, 7.5), 64: Post(5002, 0, 0, 0.5, 8.5)}
    one.set_load(1, 9)
    assert (other.load(1), other.takes(1), other.takes(2)) == (9, True, False)
    one.clear(1)
    assert list(other.rows()) == [64]


def test_workers_are_told_by_their_folders(tmp_path: Any) -> None:
    generation = EndpointFolder(tmp_path).generation(7)
    for number in (2, 11, 3):
        generation.of_worker(number).path.mkdir(parents=True)
    assert [worker.worker for worker in generation.workers()] == [1, 2, 3, 11]
    again = WorkerFolder.at(generation.of_worker(11).path)
    assert (again.worker, again.generation.number) == (11, 7)
    first = WorkerFolder.at(generation.path)
    assert (first.worker, first.generation.number, first.ready) == (1, 7, generation.ready)
    logs = [generation.endpoint.log(name, n).name for name in ("default", "b") for n in (1, 2)]
    assert logs == ["log.txt", "log.2.txt", "b.log", "b.2.log"]


FIRST = """\
# HELP a_total Things.
# TYPE a_total counter
a_total{page="a b",code="200"} 3
# HELP now What is.
# TYPE now gauge
now{x="1"} 2
# HELP start_time_seconds When.
# TYPE start_time_seconds gauge
start_time_seconds{x="1"} 20.5
"""
SECOND = """\
# HELP a_total Things.
# TYPE a_total counter
a_total{page="a b",code="200"} 4
a_total{page="a b",code="500"} 1
# HELP start_time_seconds When.
# TYPE start_time_seconds gauge
start_time_seconds{x="1"} 10.5
# HELP time A histogram.
# TYPE time histogram
time_sum{x="1"} 0.5
"""


def test_numbers_with_the_same_labels_are_added_up() -> None:
    lines = merged([FIRST, SECOND, SECOND]).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'a_total{page="a b",code="200"} 11',
        'a_total{page="a b",code="500"} 2',
        'now{x="1"} 2',
        'start_time_seconds{x="1"} 10.5',
        'time_sum{x="1"} 1.0',
    ]
    assert len(lines) == len(set(lines)), "each family is described once"
    assert merged([FIRST]) == FIRST


def test_what_is_the_case_now_is_not_kept() -> None:
    assert not re.search("now|start_time", counters(FIRST))
    assert counters(SECOND).count("# TYPE") == 2
    assert merged([counters(SECOND), FIRST]).count("\na_total{") == 2
