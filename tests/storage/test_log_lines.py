"""Logs by lines: what is written is what is read, found and counted, however it came in parts."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.jobs.runner.streams import overwritten
from ml_workspace_lab.storage import log_lines, log_search, log_writer
from ml_workspace_lab.storage.log_index import LineIndex, index_of
from ml_workspace_lab.storage.log_lines import read_lines
from ml_workspace_lab.storage.log_search import finder, search_lines
from ml_workspace_lab.storage.log_writer import LogWriter

PIECES = st.lists(st.text("ab\r\nÄ", max_size=8), max_size=40)


def write(path: Path, pieces: list[bytes], most_bytes: int | None = None) -> None:
    writer = LogWriter(path, most_bytes)
    for piece in pieces:
        writer.write(piece)
    writer.close()


def shown(text: str) -> list[str]:
    """The lines of a text as a terminal leaves them."""
    lines = overwritten(text).split("\n")
    lines[-1] = lines[-1].rstrip("\r")
    return lines[:-1] if lines[-1] == "" else lines


@given(pieces=PIECES, block=st.integers(1, 7), first=st.integers(-5, 10))
@settings(max_examples=300)
def test_every_line_is_read_as_a_terminal_shows_it(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], block: int, first: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_writer, "LINES_EACH", 2)
        patch.setattr(log_writer, "REDRAW_SECONDS", 0.0)
        patch.setattr(log_lines, "BLOCK", block)
        write(path, [piece.encode() for piece in pieces])
        expected = shown("".join(pieces))
        whole = read_lines(path, 0, 1000)
        assert [line.text for line in whole.items] == expected
        assert whole.total == len(expected)
        raw = path.read_bytes()
        for line in whole.items:
            assert raw[line.offset : line.offset + line.size].count(b"\n") == 0
        part = read_lines(path, first, 3)
        begin = max(len(expected) + first, 0) if first < 0 else first
        assert part.items == whole.items[begin : begin + 3]
        index_of(path).unlink()
        plain = read_lines(path, 0, 1000).items
        assert [line[:3] + line[4:] for line in plain] == [
            line[:3] + line[4:] for line in whole.items
        ]


@given(
    lines=st.lists(st.text("abAB \r.*", max_size=6), max_size=40),
    pattern=st.sampled_from(["a", "A", "ab", "a.*", "^a", "b$", "(a|b)+", ".", "^$", "[^a]"]),
    regex=st.booleans(),
    ignore_case=st.booleans(),
    first=st.integers(0, 5),
    block=st.integers(1, 30),
)
@settings(max_examples=400)
def test_a_search_finds_the_lines_that_match_and_no_others(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[str],
    pattern: str,
    regex: bool,
    ignore_case: bool,
    first: int,
    block: int,
) -> None:
    pytest.importorskip("re2", reason="patterns need google-re2")
    path = tmp_path_factory.mktemp("log") / "log.txt"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    flags = re.IGNORECASE if ignore_case else 0
    wanted = re.compile(pattern if regex else re.escape(pattern), flags)
    seen = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    expected = [n for n, line in enumerate(seen) if n >= first and wanted.search(line)]
    found: list[int] = []
    following: int | None = first
    find = finder(pattern, regex=regex, ignore_case=ignore_case)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_search, "BLOCK", max(block, *(len(line) + 1 for line in lines), 1))
        while following is not None:
            page = search_lines(path, find, following, 3)
            found += [line.number for line in page.items]
            following = page.next
    assert found == expected


def test_a_bad_pattern_is_refused_with_its_reason() -> None:
    pytest.importorskip("re2", reason="patterns need google-re2")
    with pytest.raises(InvalidInput, match="missing"):
        finder("(a", regex=True, ignore_case=False)
    with pytest.raises(InvalidInput, match="RE2"):
        finder(r"(a)\1", regex=True, ignore_case=False)


def test_a_million_updates_of_a_bar_are_one_line_of_few_bytes(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    writer = LogWriter(path)
    for number in range(1_000_000):
        writer.write(b"\rstep %d/1000000" % (number + 1))
    assert writer.redrawn == b"step 1000000/1000000"
    writer.write(b"\nafter\n")
    writer.close()
    found = read_lines(path, 0, 10)
    assert [line.text for line in found.items] == ["step 1000000/1000000", "after"]
    assert path.stat().st_size < 5_000


def test_a_flood_is_bounded_and_the_log_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    lines = [b"line %07d\n" % number for number in range(1_000_000)]
    write(path, [b"".join(lines[at : at + 100]) for at in range(0, len(lines), 100)], 4 * 1024**2)
    text = path.read_bytes()
    assert len(text) < 4 * 1024**2 + 1000
    before, _, rest = text.partition(b"[The log has reached its limit of 4,194,304 bytes.")
    _, _, after = rest.partition(b" bytes were left out here.]\n")
    assert before.startswith(lines[0])
    assert b"".join(lines).startswith(before)
    assert after.endswith(lines[-1])
    lost = int(rest.partition(b"\n[")[2].partition(b" bytes")[0].replace(b",", b""))
    assert len(before) + lost + len(after) == sum(map(len, lines))


def test_a_log_that_fits_is_kept_whole_to_its_last_byte(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    lines = [b"line %07d\n" % number for number in range(220_000)]
    write(path, lines, 4 * 1024**2)
    text = path.read_bytes()
    note = text[text.index(b"[The") : text.index(b"run.]\n") + 6]
    assert text.replace(note, b"") == b"".join(lines)


def test_lines_have_the_time_at_which_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = iter(range(1000, 2000, 200))
    monkeypatch.setattr(log_writer.time, "time_ns", lambda: next(moment) * 1_000_000)
    write(tmp_path / "log.txt", [b"a\n", b"b\n", b"c", b"d\n"])
    assert [line.time for line in read_lines(tmp_path / "log.txt", 0, 9).items] == [
        1000, 1200, 1400,
    ]  # fmt: skip


def test_a_log_goes_on_where_another_process_has_left_it(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    write(path, [b"one\n", b"tw"])
    write(path, [b"o\nthree\n"])
    assert [line.text for line in read_lines(path, 0, 9).items] == ["one", "two", "three"]
    with LineIndex(path) as index:
        assert index.last().line == 2


def test_where_nothing_was_printed_there_are_no_lines(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "log.txt", -10, 10) == ([], 0, False)
    find = finder("a", regex=False, ignore_case=False)
    assert search_lines(tmp_path / "log.txt", find, 0, 10) == ([], None)


def test_a_full_log_goes_on_in_another_writer_with_one_marker_and_its_end(tmp_path: Path) -> None:
    path, most = tmp_path / "log.txt", 3 * 1024**2
    lines = [b"line %07d\n" % number * 100 for number in range(6_000)]
    first = LogWriter(path, most)
    for line in lines[:4_000]:
        first.write(line)
    del first  # killed: nothing is closed, and what it had in memory is gone
    write(path, lines[4_000:], most)
    text = path.read_bytes()
    assert text.count(b"has reached its limit") == text.count(b"were left out here") == 1
    before, _, rest = text.partition(b"[The log has")
    lost, after = re.split(rb"\[([\d,]+) bytes were left out here.\]\n", rest)[1:]
    printed = b"".join(lines)
    assert printed.startswith(before)
    assert printed.endswith(after)
    assert len(before) + int(lost.replace(b",", b"")) + len(after) == len(printed)
    assert {file.name for file in tmp_path.iterdir()} == {"log.txt", "log.txt.index"}


def test_a_bar_is_redrawn_in_a_full_log_as_in_any(tmp_path: Path) -> None:
    write(tmp_path / "log.txt", [b"begun\n", b"a\rab", b"\rabc", b"\nend\n"], 1)
    found = read_lines(tmp_path / "log.txt", -2, 2)
    assert [line.text for line in found.items] == ["abc", "end"]


def test_a_long_line_after_a_return_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    write(path, [b"\r", *([b"x" * 10_000] * 500), b"\n"])
    assert path.stat().st_size < 6_000_000
    [line] = read_lines(path, 0, 9).items
    assert line.size >= 5_000_000
