"""How much is sent at once, over lines that are quick, slow, and dead."""

from types import SimpleNamespace

import pytest

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.pace import LEAST, SECONDS, Pace

MOST = 1024 * 1024


class Line:
    """Takes `speed` bytes a second, on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, speed: float) -> None:
        self.speed = speed
        self.now = 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr("ml_workspace_lab.pace.time", clock)

    def send(self, pace: Pace, size: int | None = None) -> int:
        amount = pace.share if size is None else size
        with pace.taking(amount):
            self.now += amount / self.speed
        return amount


def test_a_quick_line_is_given_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    line, pace = Line(monkeypatch, 10 * MOST), Pace(MOST)
    assert [line.send(pace) for _ in range(3)] == [MOST] * 3
    for size in (LEAST, 0):
        line.send(pace, size)
        assert line.send(pace) == MOST


def test_on_a_slow_line_requests_take_their_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    line, pace = Line(monkeypatch, 10_000), Pace(MOST)
    assert [line.send(pace) for _ in range(3)] == [MOST, 10_000 * SECONDS, 10_000 * SECONDS]
    line.speed = 100
    assert [line.send(pace) for _ in range(2)] == [10_000 * SECONDS, LEAST]


def test_after_one_that_did_not_arrive_as_little_as_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    line, pace = Line(monkeypatch, 10 * MOST), Pace(MOST)
    with pytest.raises(Unavailable), pace.taking(MOST):
        raise Unavailable("it did not answer in time")
    assert [line.send(pace) for _ in range(2)] == [LEAST, MOST]
