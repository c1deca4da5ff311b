"""A killed runner on another machine: what its program has printed comes with the next runner, each
line once."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from ml_workspace_lab import CommandConfig, NotebookRunConfig, ScriptRunConfig
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs import records
from ml_workspace_lab.jobs.records import LOG
from ml_workspace_lab.jobs.runner import left_output
from ml_workspace_lab.jobs.runner import spool as spools
from ml_workspace_lab.jobs.runner.kept_output import reader
from ml_workspace_lab.jobs.runner.place import Place
from ml_workspace_lab.storage.files import is_held
from ml_workspace_lab.storage.storage import RunFolder
from tests.conftest import eventually
from tests.jobs.runner.harness import Config, Far
from tests.jobs.test_last_words import BURST, LINES
from tests.notebooks import write_notebook

Make = Callable[[Config], Far]
PRINTS = """
import os, sys, time
print("begun", flush=True)
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
sys.stdout.write("".join(f"line {number}\\n" for number in range(50_000)))
sys.stdout.flush()
open(sys.argv[1] + "-printed", "w").close()
time.sleep(600)
"""
# What a far runner does with a program's output, in a process that can be killed.
READER = """
import sys
from pathlib import Path
from ml_workspace_lab.jobs.runner.kept_output import KeptOutput
from ml_workspace_lab.jobs.runner.output_pipe import OutputPipe
from ml_workspace_lab.jobs.runner.place import Place
from ml_workspace_lab.jobs.runner.spool import Spool
from ml_workspace_lab.jobs.runner.spool_log import OUTPUT_AT_ONCE, SpoolLog

place = Place(Path(sys.argv[1]))
log = SpoolLog(place.log, Spool(place.events))
with OutputPipe(log.add, KeptOutput(place, log, OUTPUT_AT_ONCE)) as pipe:
    print(flush=True)
    sys.stdin.read()
"""


def script(folder: Path, text: str, *arguments: str) -> ScriptRunConfig:
    (folder / "code").mkdir()
    (folder / "code" / "prints.py").write_text(text)
    return ScriptRunConfig(folder / "code", "prints.py", list(arguments))


def test_a_program_that_is_killed_at_once_has_all_its_lines(far: Make, tmp_path: Path) -> None:
    one = far(script(tmp_path, BURST))
    assert one.start().wait(120) == 0, one.engine_log()
    assert "killed by signal 9" in one.run.info().reason
    assert one.run.get_log().splitlines() == ["begun", *LINES]


def test_of_a_cell_that_is_killed_no_line_is_there_twice(far: Make, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    write_notebook(tmp_path / "code" / "nb.ipynb", "print('first')", BURST)
    one = far(NotebookRunConfig(tmp_path / "code", "nb.ipynb"))
    assert one.start().wait(120) == 0, one.engine_log()
    assert "kernel died: killed by signal 9" in one.run.info().reason
    log = one.run.get_log()
    assert log.startswith("first\nbegun\n")
    assert "\n".join(["first", "begun", *LINES, ""]).startswith(log)


def test_what_a_killed_runner_had_not_taken_yet_comes_with_the_next(
    far: Make, tmp_path: Path
) -> None:
    go, printed = tmp_path / "go", tmp_path / "go-printed"
    one = far(script(tmp_path, PRINTS, str(go)))
    runner = one.start()
    eventually(lambda: one.run.get_log() == "begun\n", 60, "it prints")
    os.kill(runner.pid, signal.SIGSTOP)
    go.touch()
    eventually(printed.exists, 60, "all of it is in the pipe")
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    eventually(lambda: not programs(tmp_path), 60, "its guard has ended the program")
    send_what_is_left(far, one, tmp_path)
    assert one.run.get_log().splitlines() == ["begun", *LINES[:50_000]]
    assert one.run.info().state is RunState.FAILED


def send_what_is_left(far: Make, one: Far, folder: Path) -> None:
    """Have a runner there for as long as that takes."""
    locks = [RunFolder(path).lock for path in one.spool.glob("attempts/*")]
    eventually(lambda: not any(map(is_held, locks)), 60, "the guard has left")
    over = folder / "over"
    words = ["sh", "-c", f"while [ ! -e {over} ]; do sleep 0.1; done"]
    following = far(CommandConfig(folder / "code", words))
    runner = following.start()
    ended = RunState.COMPLETED, RunState.FAILED
    eventually(lambda: one.run.info().state in ended, 60, "the rest of the first has come")
    over.touch()
    assert runner.wait(120) == 0, following.engine_log()


def programs(folder: Path) -> list[psutil.Process]:
    wanted = str(folder / "go")
    return [p for p in psutil.process_iter(["cmdline"]) if wanted in (p.info["cmdline"] or ())]


def test_wherever_a_reader_is_killed_each_line_is_told_once(tmp_path: Path) -> None:
    numbers = "".join(f"{number}\n" for number in range(400_000)).encode()
    for kill in range(8):
        place = Place(tmp_path / str(kill))
        place.create()
        held = reader(place)  # as the guard has it
        end = feed(place, numbers, kill * 300_000)
        os.set_blocking(held, False)
        place.left.write_bytes(read_all(held))
        os.close(held)
        for _ in range(2):  # a repeat adds nothing
            left_output.bring(place)
        assert log_of(place) == numbers[:end], kill


def feed(place: Place, content: bytes, kill_at: int) -> int:
    """Print to a reader that is killed once it was given so many bytes; how many were printed."""
    words = [sys.executable, "-c", READER, str(place.path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pipe = os.open(place.output, os.O_WRONLY)
        for begin in itertools.count(0, 4000):
            os.write(pipe, content[begin : begin + 4000])
            if begin + 4000 > kill_at:
                process.kill()
                process.wait()
                break
        os.close(pipe)
    return begin + 4000


def read_all(pipe: int) -> bytes:
    content = b""
    with suppress(BlockingIOError):
        while part := os.read(pipe, 1 << 20):
            content += part
    return content


def log_of(place: Place) -> bytes:
    told = list(records.decode(spools.read(place.events, 0, 1 << 40)))
    assert [record.number for record in told] == list(range(1, len(told) + 1))
    return b"".join(record.body for record in told if record.kind == LOG)
