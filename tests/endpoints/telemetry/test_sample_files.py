"""Samples in files: their order, what they may take, and what is left of a line that fails."""

import functools
import operator
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ml_workspace_lab.endpoints.telemetry import sample_files
from ml_workspace_lab.endpoints.telemetry.model import Sample
from ml_workspace_lab.endpoints.telemetry.sample_files import (
    SampleWriter,
    clear,
    keep_only,
    page,
    prune,
)

MIB = 1024**2


def line(moment: int, deployment: str = "blue", size: int = 0) -> bytes:
    sample = Sample(
        moment, str(moment), deployment, "m", 1, "score", 200, 1.0, 0, 0, request="x" * size
    )
    return msgspec.json.encode(sample) + b"\n"


def writer(folder: Path, deployment: str = "blue", most: int = MIB) -> SampleWriter:
    return SampleWriter(folder / "samples" / deployment, most, 30)


def times(samples: Path, size: int, deployment: str | None = None) -> list[list[int]]:
    """The moments on each page."""
    found, after = [], None
    while True:
        one = page(samples, deployment, after, size)
        found.append([sample.time for sample in one.items])
        if one.next is None:
            return found
        moment, _, seen = one.next.partition("-")
        after = int(moment), int(seen)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_have_each_sample_once_the_newest_first(tmp_path: Path, size: int) -> None:
    blue, green, again = writer(tmp_path), writer(tmp_path, "green"), writer(tmp_path)
    for moment in (1, 4, 4, 4, 9):
        blue.write(line(moment))
    for moment in (2, 4, 5):
        green.write(line(moment, "green"))
    again.write(line(7))
    samples = tmp_path / "samples"
    assert functools.reduce(operator.iadd, times(samples, size), []) == [9, 7, 5, 4, 4, 4, 4, 2, 1]
    assert functools.reduce(operator.iadd, times(samples, size, "green"), []) == [5, 4, 2]


def test_what_comes_between_two_pages_shifts_none(tmp_path: Path) -> None:
    one = writer(tmp_path)
    for moment in range(10):
        one.write(line(moment))
    first = page(tmp_path / "samples", None, None, 4)
    one.write(line(11))
    assert first.next is not None
    moment, _, seen = first.next.partition("-")
    second = page(tmp_path / "samples", None, (int(moment), int(seen)), 4)
    assert [sample.time for sample in second.items] == [5, 4, 3, 2]


def test_files_take_no_more_than_they_may_and_the_oldest_go(tmp_path: Path) -> None:
    one = writer(tmp_path)
    for moment in range(100):
        one.write(line(moment, size=50_000))
    folder = tmp_path / "samples" / "blue"
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MIB
    kept = functools.reduce(operator.iadd, times(tmp_path / "samples", 1000), [])
    assert kept == list(range(99, 99 - len(kept), -1))
    assert len(kept) >= 10
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())


def test_old_files_and_those_of_deployments_that_are_gone_are_removed(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    for deployment in ("blue", "green"):
        writer(tmp_path, deployment).write(line(1))
    keep_only(samples, ["blue"])
    assert [folder.name for folder in samples.iterdir()] == ["blue"]
    [old] = (samples / "blue").iterdir()
    os.utime(old, (0, 0))
    writer(tmp_path).write(line(2))
    assert not old.exists()
    os.utime(next((samples / "blue").iterdir()), (0, 0))
    writer(tmp_path, "green").write(line(3))
    prune(samples / "blue", None, 30)
    assert times(samples, 10) == [[3]]


def test_who_writes_goes_on_where_its_file_is_deleted(tmp_path: Path) -> None:
    one = writer(tmp_path)
    one.write(line(1))
    clear(tmp_path / "samples", None)
    one.write(line(2))
    assert times(tmp_path / "samples", 10) == [[2]]


def test_nothing_is_written_where_the_endpoint_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        writer(tmp_path / "gone").write(line(1))
    assert list(tmp_path.iterdir()) == []


def test_the_last_of_a_disk_is_not_for_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = writer(tmp_path)
    one.write(line(1))
    monkeypatch.setattr(sample_files, "FREE_BYTES", 1 << 60)
    with pytest.raises(sample_files.DiskFull):
        one.write(line(2))
    monkeypatch.undo()
    one.write(line(3))
    assert times(tmp_path / "samples", 10) == [[3, 1]]


CUT = """
import resource, signal, sys
from pathlib import Path
from tests.endpoints.telemetry.test_sample_files import line, writer

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
one = writer(Path(sys.argv[1]))
one.write(line(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (len(line(1)) + 100, resource.RLIM_INFINITY))
try:
    one.write(line(2, size=1000))
except Exception as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
one.write(line(3))
"""


def test_a_line_that_has_no_room_leaves_no_part_of_itself(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CUT, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "DiskFull\n"), ended.stderr
    assert times(tmp_path / "samples", 10) == [[3, 1]]


def test_a_line_that_was_cut_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    one = writer(tmp_path)
    one.write(line(1))
    one.write(line(2)[:-20])
    assert times(tmp_path / "samples", 10) == [[1]]
