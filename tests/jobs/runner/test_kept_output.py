"""A killed runner: what its program has printed is in the log, each line once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ml_workspace_lab import CommandConfig, Run, Workspace
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.jobs.outputs import Outputs
from ml_workspace_lab.jobs.runner import kept_output
from ml_workspace_lab.jobs.runner.kept_output import KeptOutput, reader, rescue
from ml_workspace_lab.jobs.runner.log_file import LogFile
from ml_workspace_lab.storage import log_writer
from ml_workspace_lab.storage.storage import RunFolder
from tests.conftest import arguments_of, end_agents, eventually, of_workspace

COUNT = 20_000
# Some of it is more than the reader has at once, and it may end before that has looked.
PRINTS = f"""
import os, sys, time
sys.stdout.write("".join(f"line {{number}}\\n" for number in range({COUNT})))
sys.stdout.flush()
open(sys.argv[1], "w").close()
time.sleep(float(sys.argv[2]))
"""
READER = """
import sys
from pathlib import Path
from ml_workspace_lab.jobs.runner.kept_output import KeptOutput
from ml_workspace_lab.jobs.runner.log_file import LogFile
from ml_workspace_lab.jobs.runner.output_pipe import OutputPipe
from ml_workspace_lab.storage.storage import RunFolder

files = RunFolder(Path(sys.argv[1]))
log = LogFile(files.log)
with OutputPipe(log.write, KeptOutput(files, log)) as pipe:
    print(flush=True)
    sys.stdin.read()
"""
EXPECTED = "".join(f"line {number}\n" for number in range(COUNT))


def runner_of(run: Run) -> psutil.Process:
    return next(p for p in of_workspace(Path(run.workspace.location)) if run.id in arguments_of(p))


@pytest.mark.parametrize("seconds", [600, 0], ids=["goes on", "ends"])
def test_a_killed_runner_loses_no_line(ws: Workspace, tmp_path: Path, seconds: int) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "prints.py").write_text(PRINTS)
    words = [sys.executable, "prints.py", str(tmp_path / "printed"), str(seconds)]
    run = ws.experiment("e").submit(CommandConfig(tmp_path / "code", words))
    runner = eventually(lambda: next(iter(_runners(run)), None))
    eventually((tmp_path / "printed").exists)
    runner.send_signal(signal.SIGKILL)
    info = run.wait_for_completion(raise_on_error=False, timeout_seconds=30)
    assert run.get_log() == EXPECTED
    if seconds:
        assert info.state is RunState.FAILED
        assert "killed by signal 9" in info.reason


def _runners(run: Run) -> list[psutil.Process]:
    return [p for p in of_workspace(Path(run.workspace.location)) if run.id in arguments_of(p)]


def test_the_next_dispatcher_finds_what_a_program_printed(ws: Workspace, tmp_path: Path) -> None:
    """Nobody but the program has its pipe, for a while."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "prints.py").write_text(
        f"import os, sys\nos.write(1, b'before\\n'); open({str(tmp_path / 'begun')!r}, 'w')\n"
        f"while not os.path.exists({str(tmp_path / 'go')!r}): pass\n"
        f"os.write(1, b'after\\n'); open({str(tmp_path / 'printed')!r}, 'w')\nsys.stdin.read()\n"
        "import time; time.sleep(600)\n"
    )
    run = ws.experiment("e").submit(CommandConfig(tmp_path / "code", [sys.executable, "prints.py"]))
    eventually((tmp_path / "begun").exists)
    end_agents(Path(ws.location))
    _runners(run)[0].send_signal(signal.SIGKILL)
    (tmp_path / "go").touch()
    eventually((tmp_path / "printed").exists)
    ws.experiment("e").submit(CommandConfig(tmp_path / "code", ["true"]))
    eventually(lambda: run.get_status() is RunState.FAILED)
    assert run.get_log() == "before\nafter\n"


def test_wherever_a_reader_is_killed_each_line_is_there_once(tmp_path: Path) -> None:
    printed = tmp_path / "numbers"
    printed.write_text("".join(f"{number}\n" for number in range(400_000)))
    for kill in range(8):
        files = RunFolder(tmp_path / str(kill))
        files.create()
        outputs = Outputs()
        outputs.make(files)
        words = [sys.executable, "-c", READER, str(files.path)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            with printed.open("rb") as source, files.output.open("wb") as pipe:
                while content := source.read(4000):
                    pipe.write(content)
                    if source.tell() > kill * 300_000 and process.poll() is None:
                        process.kill()
                        process.wait()
                    if process.returncode is not None:
                        break
                pipe.flush()
                end = source.tell()
        outputs.rescue(files)
        outputs.release(files)
        assert files.log.read_text() == printed.read_text()[:end], kill
        assert {path.name for path in files.path.iterdir()} == {"log.txt", "log.txt.index"}


def test_a_bar_and_a_half_written_batch_go_on_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "REDRAW_SECONDS", 1e9)
    files = RunFolder(tmp_path)
    pipe = reader(files)
    log = LogFile(files.log)

    def killed_within(content: bytes) -> None:
        log.write(content[:10])
        raise KeyboardInterrupt

    def print_(text: bytes) -> None:
        with files.output.open("wb") as output:
            output.write(text)

    for text in (b"begun\n 10%|#| 1/9\r 15%|#| 1/9\r", b"\r 20%|##| 2/9"):
        print_(text)
        KeptOutput(files, log).pass_on(pipe, log.write)
    assert b"20%" not in files.log.read_bytes(), "not shown yet"
    kept = KeptOutput(files, log)
    kept._settle()
    print_(b" and more\nafter\n")
    with pytest.raises(KeyboardInterrupt):
        kept.pass_on(pipe, killed_within)
    print_(b"the last\n")
    rescue(files, pipe)
    os.close(pipe)
    shown = [line.rpartition("\r")[2] for line in files.log.read_bytes().decode().split("\n")]
    assert shown == ["begun", " 20%|##| 2/9 and more", "after", "the last", ""]


def test_a_disk_without_room_costs_no_more_than_without_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_output.os, "splice", full)
    files = RunFolder(tmp_path)
    pipe = reader(files)
    with files.output.open("wb") as output:
        output.write(b"line\n")
    log = LogFile(files.log)
    KeptOutput(files, log).pass_on(pipe, log.write)
    os.close(pipe)
    assert files.log.read_bytes() == b"line\n"
