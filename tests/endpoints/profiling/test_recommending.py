"""How many processes are recommended, and what is said of it."""

import pytest

from ml_workspace_lab.endpoints.profiling.asking import Asked
from ml_workspace_lab.endpoints.profiling.recommending import goes_on, recommended, remark
from ml_workspace_lab.models.profiles.model import Level, Machine, Workers

PLENTY = 100_000.0


def level(cores: float) -> Level:
    return Level(8, 100, 100.0, 1.0, 2.0, 3.0, cores)


@pytest.mark.parametrize(
    ("found", "busy", "cores", "mib", "free", "count", "said"),
    [
        ([(1, 100, 1.0), (2, 190, 1.9), (4, 195, 1.9)], 1.0, 2, 100, PLENTY, 2, "1.9 times"),
        ([(1, 100, 1.9), (2, 101, 1.9)], 1.9, 2, 100, PLENTY, 1, "One uses 1.9 of 2 cores"),
        ([(1, 100, 0.1), (2, 200, 0.2), (4, 205, 0.2)], 0.1, 2, 100, PLENTY, 2, "wait for"),
        ([(1, 100, 1.0)], 1.0, 4, 3000, 4000.0, 1, "half of the free memory"),
        ([(1, 100, 1.0)], 1.0, 1, 100, PLENTY, 1, "There are 1 cores, and they would keep 1.0"),
        ([(1, 0, 0.0), (2, 0, 0.0)], 0.0, 2, 1, PLENTY, 1, "0.00 times"),
    ],
)
def test_a_process_more_has_to_be_worth_its_memory(
    found: list[tuple[int, float, float]],
    busy: float,
    cores: int,
    mib: float,
    free: float,
    count: int,
    said: str,
) -> None:
    measured = [Workers(*one) for one in found]
    chosen, reason = recommended(measured, level(busy), cores, mib, free)
    assert chosen == count
    assert said in reason


def test_more_are_tried_as_long_as_they_help() -> None:
    one, two = Workers(1, 100, 1.0), Workers(2, 190, 1.9)
    assert goes_on([one], 2, 10, PLENTY)
    assert not goes_on([one], 1, 10, PLENTY), "its only core is at work"
    assert not goes_on([one, two], 2, 10, PLENTY), "all cores are at work"
    assert goes_on([one, Workers(2, 190, 0.2)], 2, 10, PLENTY), "they wait, and not for a core"
    assert not goes_on([one, Workers(2, 190, 0.7, 1.2)], 2, 10, PLENTY), "others have the cores"
    assert not goes_on([one, Workers(2, 105, 0.2)], 8, 10, PLENTY), "two are no better than one"
    assert not goes_on([one], 8, 10, 30), "there is no memory for two"


def test_a_busy_machine_is_told() -> None:
    assert remark(Machine("Linux", "3.11", 4, 1, 0.5)) == ""
    assert "took 1.5 of 2 cores" in remark(Machine("Linux", "3.11", 2, 1, 1.5))


def test_percentiles_are_of_the_answers_that_came() -> None:
    asked = Asked([n / 1000 for n in range(1, 101)], 2.0)
    assert asked.rate == 50
    assert [round(asked.percentile_ms(share)) for share in (0.5, 0.95, 0.99, 1)] == [
        50,
        95,
        99,
        100,
    ]
    assert Asked([0.007]).percentile_ms(0.99) == 7
