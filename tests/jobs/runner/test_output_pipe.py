"""What a program prints: none of it is lost, and it never waits for a log that is slow."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ml_workspace_lab.jobs.runner.log_file import Dropped, LogFile
from ml_workspace_lab.jobs.runner.output_pipe import REST_SECONDS, OutputPipe
from tests.storage.test_full_disk import SMALL, can_mount


def test_all_that_a_program_printed_is_passed_on() -> None:
    got: list[bytes] = []
    with OutputPipe(got.append) as pipe:
        child = subprocess.Popen(["seq", "200000"], stdout=pipe.entrance)
        pipe.let_go()
        assert child.wait() == 0
    assert b"".join(got) == b"".join(b"%d\n" % number for number in range(1, 200_001))


def test_a_program_prints_on_while_the_log_stands_still() -> None:
    goes_on = threading.Event()
    with OutputPipe(lambda _: goes_on.wait() and None) as pipe:
        child = subprocess.Popen(["seq", "100000"], stdout=pipe.entrance)
        pipe.let_go()
        assert child.wait(30) == 0, "588,895 bytes fit into the pipe"
        goes_on.set()


def test_a_program_that_prints_line_by_line_is_not_looked_at_for_each() -> None:
    got: list[bytes] = []
    code = "import time\nfor n in range(1000): print(n, flush=True); time.sleep(0.001)"
    began = time.monotonic()
    with OutputPipe(got.append) as pipe:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=pipe.entrance)
        pipe.let_go()
        assert child.wait() == 0
    looks = (time.monotonic() - began) / REST_SECONDS + 2  # however slow the machine is
    assert b"".join(got).split() == [b"%d" % number for number in range(1000)]
    assert len(got) <= looks


FULL = """
import os, sys
from pathlib import Path
from ml_workspace_lab.jobs.runner.log_file import LogFile

folder = Path(sys.argv[1])
log = LogFile(folder / "log.txt")
log.write(b"begun\\n")
ballast = folder / "ballast"
with ballast.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass
for number in range(20_000):
    log.write(b"line %d\\n" % number)
ballast.unlink()
log.write(b"the last\\n")
log.close()
sys.stdout.write((folder / "log.txt").read_text())
"""


@pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount a small disk")
def test_lines_without_room_are_counted_and_the_count_is_in_the_log(tmp_path: Path) -> None:
    assert "'" not in FULL
    command = SMALL.format(folder=tmp_path, python=sys.executable, code=FULL)
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    before, _, after = done.stdout.partition("\n[")
    missing, _, rest = after.partition(" bytes)")
    _, _, size = missing.partition("(")
    lost = int(size.replace(",", ""))
    printed = b"".join(b"line %d\n" % number for number in range(20_000))
    assert before.startswith("begun\nline 0\n")
    assert len(before) - len("begun\n") + lost == len(printed), "each byte is there or counted"
    assert rest.endswith("]\nthe last\n")


def test_a_marker_says_how_much_is_missing(tmp_path: Path) -> None:
    assert b"1,234 lines (99,999 bytes)" in Dropped(1234, 99_999).marker()
    log = LogFile(tmp_path / "log.txt")
    log.write(b"a\n")
    log.close()
    log.write(b"after the end\n")
    assert (tmp_path / "log.txt").read_bytes() == b"a\n"
