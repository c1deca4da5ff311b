"""What can be split how, and where a step back leads."""

import pytest

from ml_workspace_lab.endpoints.traffic import Rollout, check, rollout, with_share
from ml_workspace_lab.errors import InvalidInput

NAMES = ("blue", "green")


@pytest.mark.parametrize(
    ("traffic", "mirrored", "said"),
    [
        ({"blue": 90, "green": 20}, {}, "adds up to 110 %"),
        ({"blue": 90}, {}, "adds up to 90 %"),
        ({"red": 100}, {}, "no deployment 'red'"),
        ({"blue": 100}, {"red": 10}, "no deployment 'red'"),
        ({"blue": 100}, {"green": 51}, "51 % is more than 50 %"),
        ({"blue": 100}, {"blue": 10}, "blue answers 100 % of the requests itself"),
        ({}, {"blue": 10, "green": 10}, "only one deployment"),
    ],
)
def test_what_can_not_be_split_is_refused(
    traffic: dict[str, int], mirrored: dict[str, int], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        check(traffic, mirrored, NAMES)


def test_all_or_nothing_is_split() -> None:
    check({"blue": 90, "green": 10}, {}, NAMES)
    check({"blue": 100}, {"green": 50, "blue": 0}, NAMES)
    check({}, {}, NAMES)
    check({"blue": 0, "green": 0}, {"green": 20}, NAMES)


def test_others_share_the_rest_as_they_did() -> None:
    assert with_share({"blue": 100}, "green", 10) == {"blue": 90, "green": 10}
    assert with_share({"blue": 90, "green": 10}, "green", 50) == {"blue": 50, "green": 50}
    thirds = with_share({"a-a": 34, "b-b": 33, "c-c": 33}, "green", 1)
    assert thirds == {"a-a": 33, "b-b": 33, "c-c": 33, "green": 1}
    assert with_share({}, "green", 100) == {"green": 100}
    with pytest.raises(InvalidInput, match="other 90 %"):
        with_share({"green": 100}, "green", 10)


@pytest.mark.parametrize("share", range(101))
def test_shares_always_add_up(share: int) -> None:
    assert sum(with_share({"a-a": 17, "b-b": 41, "c-c": 42}, "green", share).values()) == 100


def test_steps_of_one_roll_out_go_back_to_before_the_first() -> None:
    blue, some, half = {"blue": 100}, {"blue": 90, "green": 10}, {"blue": 50, "green": 50}
    first = rollout(None, blue, some, 1)
    assert first == Rollout(1, blue, ["green"])
    assert rollout(first, some, half, 2) == first
    assert rollout(first, half, some, 3) == first, "a step back"
    assert rollout(first, half, {"green": 100}, 4) == first
    assert rollout(first, half, {"blue": 100, "green": 0}, 5) is None, "all the way back"


def test_another_roll_out_begins_where_the_last_one_led() -> None:
    first = rollout(None, {"blue": 100}, {"green": 100}, 1)
    after = {"green": 90, "red": 10}
    assert rollout(first, {"green": 100}, after, 2) == Rollout(2, {"green": 100}, ["red"])


def test_the_first_traffic_has_nothing_to_go_back_to() -> None:
    assert rollout(None, {}, {"blue": 100}, 1) is None
