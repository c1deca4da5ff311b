"""The spool of a runner: what is in it survives every end, has an end to its room, is told once."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import records
from ml_workspace_lab.jobs.records import END, LOG, STATE, Ended, Moved, Record
from ml_workspace_lab.jobs.runner import spool as spools
from ml_workspace_lab.jobs.runner.spool import Spool
from tests.storage.test_full_disk import SMALL, can_mount

ALL = 1 << 40


def told(folder: Path, after: int = 0) -> list[Record]:
    return list(records.decode(spools.read(folder, after, ALL)))


@given(
    st.lists(st.tuples(st.sampled_from([LOG, STATE, END]), st.binary(max_size=50)), max_size=8),
    st.data(),
)
def test_a_torn_or_damaged_tail_costs_the_records_from_there_on(
    given_: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    wanted = [Record(n, kind, body) for n, (kind, body) in enumerate(given_, 1)]
    content = b"".join(map(records.encode, wanted))
    cut = data.draw(st.integers(0, len(content)))
    whole = list(records.decode(content[:cut]))
    assert whole == wanted[: len(whole)]
    assert len(whole) == len(wanted) or cut < len(content)
    if content:
        place = data.draw(st.integers(0, len(content) - 1))
        flipped = bytearray(content)
        flipped[place] ^= 1 << data.draw(st.integers(0, 7))
        found = list(records.decode(bytes(flipped)))
        assert found == wanted[: len(found)]
        assert len(found) < len(wanted)


def test_records_have_numbers_and_are_read_from_any_of_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.tell(Moved(RunState.RUNNING))
    for number in range(20_000):
        spool.write_log(b"line %d %s\n" % (number, b"x" * 100))
    spool.end(Ended("Completed"))
    found = told(tmp_path)
    assert [record.number for record in found] == list(range(1, 20_003))
    assert [record.kind for record in (found[0], found[-1])] == [STATE, END]
    assert told(tmp_path, 15_000) == found[15_000:]
    assert len(list(tmp_path.glob("*.events"))) > 1
    assert spools.unsaid(tmp_path, found[-1].number) == b""


def test_what_the_workspace_has_makes_room_but_for_the_last_part(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=4 * spools.SEGMENT)
    for _ in range(40):
        spool.write_log(b"x" * spools.PIECE)
        spool.release(told(tmp_path)[-1].number)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.events")) < 4 * spools.SEGMENT
    spool.end(Ended("Completed"))
    assert told(tmp_path)[-1].kind == END


def test_a_full_spool_counts_what_it_drops_and_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=2 * spools.SEGMENT)
    for number in range(40_000):
        spool.write_log(b"line %d %s\n" % (number, b"x" * 100))
    spool.end(Ended("Completed"))
    found = told(tmp_path)
    lines = sum(record.body.startswith(b"line") for record in found)
    end = msgspec.json.decode(found[-1].body, type=Ended)
    assert found[-1].kind == END, "the end has room in any case"
    assert lines + end.dropped_lines == 40_000
    # There was no room for the marker: it is told with what follows.
    assert spools.last_word(tmp_path).missing_lines == end.dropped_lines


def test_a_log_goes_on_with_a_marker_once_there_is_room_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit=4 * spools.SEGMENT)
    for _ in range(20):
        spool.write_log(b"y" * (spools.PIECE - 1) + b"\n")
    spool.release(told(tmp_path)[-1].number)
    spool.write_log(b"after\n")
    bodies = [record.body for record in told(tmp_path)]
    assert bodies[-1] == b"after\n"
    assert b"of output are missing here" in bodies[-2]


FULL = """
import sys
from pathlib import Path
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import records
from ml_workspace_lab.jobs.records import END, Ended, Moved
from ml_workspace_lab.jobs.runner import spool as spools
from ml_workspace_lab.jobs.runner.spool import Spool

folder = Path(sys.argv[1])
spool = Spool(folder / "events")
spool.tell(Moved(RunState.RUNNING))
spool.write_log(b"begun\\n")
with (folder / "ballast").open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass
for number in range(100_000):
    spool.write_log(b"line %d\\n" % number)
spool.end(Ended("Failed", "because"))
told = list(records.decode(spools.read(folder / "events", 0, 1 << 40)))
last = told[-1]
more = list(records.decode(spools.unsaid(folder / "events", last.number)))
lines = sum(record.body.startswith(b"line") for record in told)
status = spools.last_word(folder / "events")
assert status.end.reason == "because", status
assert lines + status.end.dropped_lines == 100_000, (lines, status)
kinds = [record.kind for record in [*told, *more]]
assert kinds.count(END) == 1 and kinds[-1] == END, kinds[-3:]
numbers = [record.number for record in [*told, *more]]
assert numbers == list(range(1, len(numbers) + 1))
print("kept")
"""


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a small disk")
def test_on_a_full_disk_the_end_is_kept_and_each_line_is_there_or_counted(tmp_path: Path) -> None:
    assert "'" not in FULL
    command = SMALL.format(folder=tmp_path, python=sys.executable, code=FULL)
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "kept\n", done.stderr
