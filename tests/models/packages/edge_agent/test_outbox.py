"""Messages wait in their order, survive whoever wrote them, and are lost by name only."""

import json
from pathlib import Path
from typing import Any

from ml_workspace_lab.models.packages.edge_agent.outbox import AT_ONCE, Outbox


def waiting(box: Outbox) -> list[dict[str, Any]]:
    content, _ = box.waiting()
    found: list[dict[str, Any]] = json.loads(content) if content else []
    return found


def test_messages_keep_their_numbers_across_lives_of_the_agent(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    assert box.waiting() == (b"", 0)
    for number in range(3):
        box.add("telemetry", {"n": number})
    again = Outbox(tmp_path)
    assert [(one["sequence"], one["n"]) for one in waiting(again)] == [(1, 0), (2, 1), (3, 2)]
    again.taken(2)
    assert [one["sequence"] for one in waiting(Outbox(tmp_path))] == [3]
    again.taken(3)
    assert not (tmp_path / "outbox.jsonl").exists()
    last = Outbox(tmp_path)
    last.add("telemetry", {})
    assert [one["sequence"] for one in waiting(last)] == [4]


def test_half_a_line_of_a_killed_writer_is_taken_away(tmp_path: Path) -> None:
    Outbox(tmp_path).add("telemetry", {"n": 0})
    with (tmp_path / "outbox.jsonl").open("ab") as file:
        file.write(b'{"sequence": 2, "ki')
    box = Outbox(tmp_path)
    box.add("telemetry", {"n": 1})
    assert [one["n"] for one in waiting(box)] == [0, 1]
    assert [one["sequence"] for one in waiting(box)] == [1, 2]


def test_where_too_many_wait_the_oldest_go_and_that_is_told(tmp_path: Path) -> None:
    box = Outbox(tmp_path, limit=2000)
    for number in range(100):
        box.add("telemetry", {"n": number})
        assert (tmp_path / "outbox.jsonl").stat().st_size <= 2000
    found = waiting(box)
    assert found[-1]["n"] == 99
    numbers = [one["sequence"] for one in found]
    assert numbers == list(range(numbers[0], 101))
    lost = sum(one.get("lost", 0) for one in found)
    assert 0 < lost < 100


def test_what_is_sent_at_once_has_a_limit(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    for _ in range(5):
        box.add("telemetry", {"text": "x" * 100_000})
    numbers: list[int] = []
    while (found := box.waiting())[0]:
        assert len(found[0]) < AT_ONCE + 1000
        numbers += [one["sequence"] for one in json.loads(found[0])]
        box.taken(found[1])
    assert numbers == [1, 2, 3, 4, 5]
