"""Processes are known again for what they are: by their start, until the last thread is over."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import processes
from tests.conftest import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="as Linux tells of processes")

# Its first thread ends, another one stays until there is the file.
ONE_THREAD_LEFT = """
import ctypes, sys, threading, time
from pathlib import Path
def stay():
    while not Path(sys.argv[1]).exists():
        time.sleep(0.01)
    __import__("os")._exit(7)
threading.Thread(target=stay).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@contextmanager
def started(folder: Path, *words: str) -> Iterator[str]:
    native = processes.start(
        [sys.executable, *words], environment=os.environ, folder=folder, log=folder / "log"
    )
    try:
        yield native
    finally:
        processes.end(native, force=True)
        eventually(lambda: processes.find(native) is None)


def test_one_with_a_thread_left_has_not_ended(tmp_path: Path) -> None:
    with started(tmp_path, "-c", ONE_THREAD_LEFT, str(tmp_path / "end")) as native:
        process = processes.find(native)
        assert process is not None
        eventually(lambda: process.status() == psutil.STATUS_ZOMBIE)
        assert processes.find(native) == process
        assert processes.return_code(native) is None
        (tmp_path / "end").touch()
        eventually(lambda: processes.find(native) is None)
        assert processes.return_code(native) == 7


def test_how_one_has_ended_is_known_as_soon_as_it_is_not_found(tmp_path: Path) -> None:
    with started(tmp_path, "-c", ONE_THREAD_LEFT, str(tmp_path / "end")) as native:
        assert processes.find(native) is not None
        processes.end(native, force=True)
        while processes.find(native) is not None:
            pass
        assert processes.ending(native) == "killed by signal 9 (SIGKILL)"


def test_a_zombie_of_another_process_has_ended(tmp_path: Path) -> None:
    forks = "import os, time\npid = os.fork()\nif not pid: os._exit(0)\nprint(pid, flush=True)\n"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"{forks}time.sleep(60)"], stdout=subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        eventually(lambda: child.status() == psutil.STATUS_ZOMBIE)
        assert processes.find(processes.native_id(child.pid)) is None
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()


def test_the_pid_and_the_ticks_of_another_boot_are_nobody(tmp_path: Path) -> None:
    with started(tmp_path, "-c", "import time; time.sleep(60)") as native:
        before = f"{native.rpartition('-')[0]}-{'0' * 8}"
        assert before != native
        assert processes.find(before) is None
        assert processes.return_code(before) is None
        processes.end(before, force=True)
        assert processes.find(native) is not None


def test_a_clock_that_is_set_changes_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(tmp_path, "-c", "import time; time.sleep(60)") as native:
        began = psutil.boot_time()
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: began + 3600)
        assert processes.find(native) is not None
        assert processes.native_id(int(native.partition(":")[0])) == native
