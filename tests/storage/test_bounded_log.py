"""A log that is kept from growing: what is kept, where readers are, and who goes on writing."""

import subprocess
from pathlib import Path

import pytest

from ml_workspace_lab.storage.bounded_log import BoundedLog


@pytest.fixture
def log(tmp_path: Path) -> BoundedLog:
    return BoundedLog(tmp_path / "log.txt", limit=10)


def say(log: BoundedLog, text: str) -> None:
    with log.path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_a_log_within_its_limit_is_left_alone(log: BoundedLog) -> None:
    assert (log.bound(), log.end(), log.since(0)) == (False, 0, "")
    say(log, "ten bytes\n")
    assert not log.bound()
    part = log.read(4, 100)
    assert (part.offset, part.next, part.size, part.text) == (4, 10, 10, "bytes\n")


def test_readers_go_on_over_a_part_that_is_put_aside(log: BoundedLog) -> None:
    say(log, "the first part\n")
    seen = log.read(0, 4)
    assert log.bound()
    assert log.end() == 15
    say(log, "the second")
    assert log.since(seen.next) == "first part\nthe second"
    assert log.read(15, 100).text == "the second"
    assert log.read(99, 100).next == 25, "nobody has written so much"


def test_what_came_before_the_part_put_aside_is_gone_and_the_reader_is_told(
    log: BoundedLog,
) -> None:
    for text in ("the first part\n", "the second part\n"):
        say(log, text)
        assert log.bound()
    part = log.read(0, 100)
    assert (part.offset, part.next, part.size) == (15, 31, 31)
    assert part.text == "the second part\n"
    assert sum(file.stat().st_size for file in (log.path, log.former)) == 16
    assert {file.stat().st_mode & 0o077 for file in (log.former, log._begins)} == {0}


def test_a_character_that_was_cut_in_two_is_shown_as_such(log: BoundedLog) -> None:
    log.path.write_bytes(b"ten bytes\n" + b"\xe2\x82")
    assert log.read(0, 100).next == 10, "the rest of it is still to come"
    assert log.bound()
    with log.path.open("ab") as file:
        file.write(b"\xac.\n")
    assert log.since(0) == "ten bytes\n��.\n"


def test_a_program_that_has_the_file_open_goes_on_at_the_new_end(log: BoundedLog) -> None:
    with log.path.open("ab") as output:
        writer = subprocess.Popen(
            ["sh", "-c", "echo a long first line; read go; echo the next line"],
            stdin=subprocess.PIPE,
            stdout=output,
        )
    with writer:
        while not log.bound():
            assert writer.poll() is None
        writer.communicate(b"go\n")
    assert log.path.read_text() == "the next line\n"
    assert log.since(0) == "a long first line\nthe next line\n"


def test_one_that_was_interrupted_while_it_put_a_part_aside_is_still_read(
    log: BoundedLog,
) -> None:
    say(log, "the first part\n")
    log._aside.write_text("the fir")
    assert log.read(0, 100).text == "the first part\n"
    assert log.bound()
    assert log.since(0) == "the first part\n"
    assert not log._aside.exists()
