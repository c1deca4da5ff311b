"""The metric journal: what was acknowledged is there, whatever happened to its writer."""

import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from ml_workspace_lab.storage.journal import JournalWriter, read_points

LOGGER = """
import sys
from pathlib import Path
from ml_workspace_lab.storage.journal import JournalWriter
writer = JournalWriter(Path(sys.argv[1]))
for step in range(10**9):
    writer.append("loss", step, step, float(step))
    print(step, flush=True)
"""


def test_points_come_back_as_they_were_logged(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    values = [1.5, math.inf, -math.inf, -0.0, 5e-324]
    for value in values:
        writer.append("loss", None, 7, value)
    writer.append("ключ\n\u2028", 2**63 - 1, -1, 1.0)
    points = list(read_points(tmp_path))
    assert [point.value for point in points[:-1]] == values
    assert [point.step for point in points[:-1]] == [0, 1, 2, 3, 4]
    assert (points[-1].key, points[-1].step, points[-1].time) == ("ключ\n\u2028", 2**63 - 1, -1)


def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOGGER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged == 500:
                process.send_signal(signal.SIGKILL)
    points = list(read_points(tmp_path))
    assert acknowledged >= 500
    assert [point.step for point in points] == list(range(len(points)))
    assert len(points) > acknowledged


def test_a_torn_last_record_hides_no_other(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    for step in range(3):
        writer.append("loss", step, 0, 1.0)
    [journal] = tmp_path.glob("*.journal")
    os.truncate(journal, journal.stat().st_size - 5)
    assert [point.step for point in read_points(tmp_path)] == [0, 1]


def test_threads_and_forks_do_not_disturb_each_other(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append("before", 0, 0, 0.0)

    def log(name: str) -> None:
        for step in range(200):
            writer.append(name, step, 0, float(step))

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
    points = list(read_points(tmp_path))
    for name in ("t0", "t1", "t2", "t3", "child", "parent"):
        assert [p.value for p in points if p.key == name] == [float(n) for n in range(200)], name
    assert sum(point.key == "before" for point in points) == 1
