"""A turn: one task with one peer, in a process of the peer's own Python and an empty folder."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import children
import psutil
from adapters import adapter
from adapters.base import Adapter
from tasks import size

VENVS = Path(__file__).parents[2] / "build" / "peers"
SECONDS = 1800.0
SHORT = 200
MARK = "BENCHMARK_TURN"
"""A variable that all processes of a turn inherit; it names the turn's folder."""


class Turn(NamedTuple):
    """What came of it: figures by name, or why there are none."""

    task: str
    peer: str
    n: int
    figures: Mapping[str, float | None]
    failure: str
    seconds: float


def interpreter(peer: type[Adapter]) -> Path:
    """The Python of a peer, which may not be there."""
    return VENVS / peer.venv / "bin" / "python" if peer.venv else Path(sys.executable)


def missing(peer: type[Adapter]) -> str:
    """Why a peer can't be measured here, empty where it can."""
    return peer.missing() if interpreter(peer).exists() else "`make bench-tracking` installs it"


def take(task: str, peer: str, scale: float) -> Turn | None:
    """Measure; None where the peer leaves the task out."""
    n = size(task, adapter(peer), scale)
    if n == 0:
        return None
    python = str(interpreter(adapter(peer)))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        words = children.command(python, f"tasks.{task}", peer, folder, n)
        code, out, complaints = spend(words, environment(folder))
    seconds = time.monotonic() - began
    if code == 0 and out:
        return Turn(task, peer, n, json.loads(out.splitlines()[-1]), "", seconds)
    return Turn(task, peer, n, {}, reason(complaints) or f"ended with {code}", seconds)


def reason(complaints: str) -> str:
    """The first error that a child or a child of its complained of, else its last line."""
    lines = [line for line in complaints.splitlines() if line]
    traced = False
    for line in lines:
        traced = traced or line.startswith("Traceback")
        if traced and not line.startswith((" ", "Traceback")):
            return line[:SHORT]
    return lines[-1][:SHORT] if lines else ""


def spend(words: list[str], environment: dict[str, str]) -> tuple[int, str, str]:
    """Run a child to its end: its code and what it wrote. What it leaves running is ended."""
    # A file: a helper of a peer that lives on would keep a pipe open, and us waiting.
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=complaints, text=True, env=environment
        )
        try:
            out, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return 1, "", f"not done after {SECONDS:.0f} s"
        finally:
            end(environment[MARK])
            process.wait()
        complaints.seek(0)
        return process.returncode, out, complaints.read()


def end(mark: str) -> None:
    """End all processes of a turn: servers and helpers may have cut themselves loose from it."""
    while found := [process for process in psutil.process_iter() if is_of(process, mark)]:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=5)


def is_of(process: psutil.Process, mark: str) -> bool:
    with suppress(psutil.Error):
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and process.environ().get(MARK) == mark
    return False


def environment(folder: str) -> dict[str, str]:
    """This one, marked, without what could point a peer or us at another store, or keep Python from
    compiling a module once: an installed package is compiled."""
    foreign = ("ML_WORKSPACE", "MLFLOW_", "WANDB_", "TRACKIO_", "AIM_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"BENCHMARK_PYTHON": sys.executable, MARK: folder}
