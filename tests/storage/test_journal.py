"""The metric journal: what was acknowledged is there, whatever happened to its writer."""

import math
import os
import signal
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from ml_workspace_lab.errors import Unavailable
from ml_workspace_lab.storage import journal_reader
from ml_workspace_lab.storage.journal import FIRST_SEGMENT, RECORD, SEGMENT, JournalWriter

LOGGER = """
import sys
from pathlib import Path
from ml_workspace_lab.storage.journal import JournalWriter
writer = JournalWriter(Path(sys.argv[1]))
for step in range(10**9):
    writer.append("loss", float(step), step, step)
    if step % 100 == 0:
        print(step, flush=True)
"""


class Point(NamedTuple):
    key: str
    step: int
    time: int
    value: float


def read_points(folder: Path) -> list[Point]:
    """Every point that was logged below `folder`, in the order of each journal."""
    found: list[Point] = []
    for name in journal_reader.journals(folder):
        batch = journal_reader.read(folder, name, 0, 1 << 40)
        for step, time, value, number, _ in RECORD.iter_unpack(batch.records):
            found.append(Point(batch.names[number], step, time, value))
    return found


def test_points_come_back_as_they_were_logged(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    values = [1.5, math.inf, -math.inf, -0.0, 5e-324]
    for value in values:
        writer.append("loss", value, None, 7)
    writer.append("ключ\n\u2028", 1.0, 2**63 - 1, -1)
    points = read_points(tmp_path)
    assert [repr(point.value) for point in points[:-1]] == [repr(value) for value in values]
    assert [point.step for point in points[:-1]] == [0, 1, 2, 3, 4]
    assert (points[-1].key, points[-1].step, points[-1].time) == ("ключ\n\u2028", 2**63 - 1, -1)


def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOGGER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged >= 50_000:
                process.send_signal(signal.SIGKILL)
    points = read_points(tmp_path)
    assert [point.step for point in points] == list(range(len(points)))
    assert len(points) > acknowledged
    (name,) = journal_reader.journals(tmp_path)
    assert not journal_reader.is_alive(tmp_path, name)


def test_a_record_without_its_mark_is_not_there_yet(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    for step in range(3):
        writer.append("loss", 1.0, step, 0)
    [segment] = tmp_path.glob("*.0")
    with segment.open("r+b") as file:
        file.seek(3 * RECORD.size)
        file.write(RECORD.pack(3, 0, 1.0, 0, 0))
    assert [point.step for point in read_points(tmp_path)] == [0, 1, 2]
    writer.append("loss", 1.0, 3, 0)
    assert [point.step for point in read_points(tmp_path)] == [0, 1, 2, 3]


def test_records_that_are_read_while_they_are_written_are_whole(tmp_path: Path) -> None:
    """At the journal's end the reader and the writer are at the same few bytes at once."""
    with subprocess.Popen(
        [sys.executable, "-c", LOGGER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (name,) = journal_reader.journals(tmp_path)
        kept = 0
        while kept < 10 * SEGMENT:
            batch = journal_reader.read(tmp_path, name, kept, 1 << 40)
            assert batch.first == kept
            for step, time, value, _, _ in RECORD.iter_unpack(batch.records):
                assert (step, time, value) == (kept, kept, kept)
                kept += 1
        process.kill()


@pytest.mark.parametrize(
    ("value", "step", "time"),
    [("x", 0, 0), (None, 0, 0), (1.0, 2**63, 0), (1.0, 0, -(2**63) - 1), (1.0, 0.5, 0)],
)
def test_what_can_not_be_packed_leaves_nothing(
    tmp_path: Path, value: float, step: int, time: int
) -> None:
    writer = JournalWriter(tmp_path)
    writer.append("loss", 1.0, 0, 0)
    with pytest.raises((struct.error, TypeError)):
        writer.append("loss", value, step, time)
    writer.append("loss", 2.0, 1, 0)
    assert [point.value for point in read_points(tmp_path)] == [1.0, 2.0]


@pytest.mark.parametrize("first", [0, 5, FIRST_SEGMENT, FIRST_SEGMENT + SEGMENT - 1])
def test_a_part_is_read_from_any_record_on(tmp_path: Path, first: int) -> None:
    writer = JournalWriter(tmp_path)
    for step in range(FIRST_SEGMENT + SEGMENT + 10):
        writer.append("loss", 1.0, step, 0)
    batch = journal_reader.read(tmp_path, writer.name, first, 100)
    steps = [record[0] for record in RECORD.iter_unpack(batch.records)]
    assert batch.first == first
    assert steps == list(range(first, min(first + 100, writer.count)))


def test_segments_that_are_kept_elsewhere_go_and_the_rest_stays(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    for step in range(FIRST_SEGMENT + SEGMENT + 10):
        writer.append("loss", 1.0, step, 0)
    writer.release(FIRST_SEGMENT + 1)
    batch = journal_reader.read(tmp_path, writer.name, 0, 10)
    assert batch.first == FIRST_SEGMENT
    assert journal_reader.size(tmp_path) == writer.count
    writer.remove()
    assert not tmp_path.exists()


def test_a_closed_journal_and_one_whose_folder_is_gone_take_no_more(tmp_path: Path) -> None:
    closed = JournalWriter(tmp_path / "closed")
    closed.close()
    with pytest.raises(Unavailable, match="closed"):
        closed.append("loss", 1.0)
    removed = JournalWriter(tmp_path / "removed")
    for path in (tmp_path / "removed").iterdir():
        path.unlink()
    with pytest.raises(Unavailable, match="removed"):
        removed.append("loss", 1.0)


def test_threads_and_forks_do_not_disturb_each_other(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append("before", 0.0, 0, 0)

    def log(name: str) -> None:
        for step in range(200):
            writer.append(name, float(step), step, 0)

    threads = [threading.Thread(target=log, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child = os.fork()
    if child == 0:
        log("child")
        os._exit(0)
    log("parent")
    assert os.waitpid(child, 0)[1] == 0
    points = read_points(tmp_path)
    for name in ("t0", "t1", "t2", "t3", "child", "parent"):
        assert [p.value for p in points if p.key == name] == [float(n) for n in range(200)], name
    assert sum(point.key == "before" for point in points) == 1


def test_a_child_that_logs_nothing_leaves_no_journal(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append("loss", 1.0)
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert journal_reader.journals(tmp_path) == [writer.name]


def test_a_clock_that_is_put_back_keeps_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter(tmp_path)
    moments = iter([5_000_000_000, 1_000_000_000, 6_000_000_000])
    monkeypatch.setattr("ml_workspace_lab.storage.journal._time_ns", lambda: next(moments))
    for value in (1.0, 2.0, 3.0):
        writer.append("loss", value)
    assert [point.time for point in read_points(tmp_path)] == [5000, 5000, 6000]


def test_the_folder_goes_with_the_last_journal_and_comes_again(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    first, second = JournalWriter(folder), JournalWriter(folder)
    first.append("m", 1.0)
    first.remove()
    assert folder.exists(), "another journal is there"
    second.remove()
    assert not folder.exists()
    third = JournalWriter(folder)
    third.append("m", 2.0)
    assert journal_reader.read(folder, third.name, 0, 10).names == ["m"]


def test_journals_are_begun_while_others_end(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"

    def one(number: int) -> None:
        for _ in range(200):
            writer = JournalWriter(folder)
            writer.append("m", float(number))
            assert len(journal_reader.read(folder, writer.name, 0, 10).records) == 32
            writer.remove()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(8)))
    assert not folder.exists()
