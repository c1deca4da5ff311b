"""Upgrades that are interrupted, that come at once, and that must not be: nothing is lost."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.errors import StorageFull, Unavailable
from ml_workspace_lab.storage.database import SCHEMA_VERSION
from ml_workspace_lab.storage.files import FileLock
from ml_workspace_lab.storage.migrations.sqlite import upgrade
from tests.storage.schema1 import rows, shape, version
from tests.storage.test_migrations import COPY, OPEN

KILLED = """
import os, signal, sys
from pathlib import Path
from ml_workspace_lab.storage.migrations import sqlite
left = int(sys.argv[2])
def count(frame, event, argument):
    global left
    if "/migrations/" not in frame.f_code.co_filename:
        return None
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return count
sys.settrace(count)
sqlite.upgrade(Path(sys.argv[1]))
sys.settrace(None)
print(int(sys.argv[2]) - left)
"""


def test_killed_at_any_step_it_is_done_by_the_next(old: Path, tmp_path: Path) -> None:
    def traced(root: Path, lines: int) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", KILLED, str(root / "workspace.db"), str(lines)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    whole = traced(shutil.copytree(old, tmp_path / "whole"), 10**9)
    total = int(whole.stdout)
    for index, lines in enumerate(range(3, total, total // 7)):
        root = shutil.copytree(old, tmp_path / f"killed{index}")
        assert traced(root, lines).returncode == -signal.SIGKILL
        assert version(root) in (1, SCHEMA_VERSION)
        assert rows(root / "workspace.db", "PRAGMA integrity_check") == [("ok",)]
        assert len(Workspace.open(root).runs()) == 7
        assert shape(root / "workspace.db") == shape(tmp_path / "whole" / "workspace.db")
        assert not list(root.glob(".workspace*")), "no half-made copy is left"


def test_of_two_that_open_at_once_one_upgrades_and_the_other_waits(old: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(old)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0].splitlines()[0] for process in both] == ["7"] * 3


def test_threads_may_open_it_at_once(old: Path) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(Workspace.open(old).runs())))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [7] * 4


@pytest.mark.parametrize("held", ["agent.lock", "runs/{killed}/lock"])
def test_it_waits_for_work_of_the_earlier_release_to_end(old: Path, told: Any, held: str) -> None:
    lock = FileLock(old / held.format(killed=told["killed"]))
    assert lock.acquire()
    with pytest.raises(Unavailable, match="earlier release"):
        Workspace.open(old)
    assert version(old) == 1
    assert not (old / COPY).exists()
    lock.release()
    assert len(Workspace.open(old).runs()) == 7


def test_a_handle_of_the_earlier_release_can_not_write_in_between(old: Path) -> None:
    with sqlite3.connect(old / "workspace.db", isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="held the database"):
            upgrade(old / "workspace.db")
    connection.close()
    assert version(old) == 1


def test_an_upgrade_that_would_lose_rows_is_undone(old: Path) -> None:
    with sqlite3.connect(old / "workspace.db") as connection:
        connection.execute("UPDATE run_history SET run = 999 WHERE run = 1")
    connection.close()
    with pytest.raises(Unavailable, match="undone"):
        Workspace.open(old)
    assert version(old) == 1


def test_a_full_disk_leaves_the_earlier_schema(old: Path) -> None:
    with sqlite3.connect(old / "workspace.db") as connection:
        [[pages]] = connection.execute("PRAGMA page_count").fetchall()
    connection.close()
    limit = f"ulimit -f {pages * 2}; trap '' XFSZ; exec \"$@\""  # half the copy's size, in blocks
    command = ["sh", "-c", limit, "sh", sys.executable, "-c", OPEN, str(old)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert version(old) == 1
    assert not list(old.glob(".workspace*"))
    assert StorageFull.__name__ in ended.stderr or Unavailable.__name__ in ended.stderr
