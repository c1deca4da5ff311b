"""A client on a line that loses packets, is slow, and goes dead without a word: what was
acknowledged is there, once, and the loop that logs is not held up."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.api.remote import HURRY_SECONDS
from ml_workspace_lab.experiments.model import RunState
from tests.conftest import eventually
from tests.faults.line import HERE, Line, can_lay_lines
from tests.faults.servers import TOKEN, Server

LOSS, DELAY = 0.3, 0.3
DEAD_STEPS = 3000
"""Points that are logged while the line is dead: some seconds' worth."""
SLOW = 0.25
"""Seconds of a call that waited for the line: a packet and its answer take 0.6."""

CLIENT = """
import hashlib, json, os, sys, threading, time
from ml_workspace_lab import Run, Workspace
from ml_workspace_lab.errors import WorkspaceError

run = Workspace.connect(sys.argv[1], sys.argv[2]).experiment("line").start_logging()
over, told = threading.Event(), threading.Event()
seconds, others, kept = [], [], {"params": {}, "tags": {}, "files": {}}

def train():
    while not over.wait(0.002):
        begun = time.perf_counter()
        run.log("m", len(seconds) / 2, len(seconds))
        seconds.append(time.perf_counter() - begun)

def tell(name, value):
    kinds = (
        ("params", lambda: run.log_param(name, value)),
        ("tags", lambda: run.tag(name, value)),
        ("files", lambda: run.log_text(value, name + ".txt")),
    )
    for kind, call in kinds:
        try:
            call()
        except WorkspaceError:
            continue
        digest = hashlib.sha256(value.encode()).hexdigest()
        kept[kind][name] = digest if kind == "files" else value

def tell_all():
    number = 0
    while not over.is_set():
        tell(f"n{number}", os.urandom(1000 if number % 5 else 20_000).hex())
        number += 1

def answer(whole):
    known = {kind: found if whole else len(found) for kind, found in kept.items()}
    known |= {"steps": len(seconds), "slowest": max(seconds), "first": max(others, default=0)}
    print(json.dumps(known), flush=True)

run.log("m", 0, 0)
seconds.append(0)
threads = [threading.Thread(target=each) for each in (train, tell_all)]
for thread in threads:
    thread.start()
print(run.id, flush=True)
for line in sys.stdin:
    if name := line.strip():
        begun = time.perf_counter()
        run.log(name, 1)
        others.append(time.perf_counter() - begun)
    answer(False)
over.set()
for thread in threads:
    thread.join()
run.complete()
answer(True)
"""


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.remove()


class Client:
    """A process at the other end of the line that trains, and says what it logs and was told."""

    def __init__(self, line: Line, url: str, spool: Path) -> None:
        self._process = subprocess.Popen(
            [*line.enter, sys.executable, "-c", CLIENT, url, TOKEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "ML_WORKSPACE_SPOOL": str(spool)},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asked, self._answers = self._process.stdin, self._process.stdout
        self.run_id = self._answers.readline().strip()

    def state(self, log: str = "") -> dict[str, Any]:
        self._asked.write(f"{log}\n")
        self._asked.flush()
        found: dict[str, Any] = json.loads(self._answers.readline())
        return found

    def end(self) -> dict[str, Any]:
        self._asked.close()
        found: dict[str, Any] = json.loads(self._answers.readline())
        assert self._process.wait(60) == 0
        return found

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def arrived(run: Run) -> int:
    """How many points the server has."""
    found = run.info().metrics.get("m")
    return found.count if found else 0


@pytest.mark.skipif(not can_lay_lines(), reason="laying lines needs root, `ip` and /dev/net/tun")
def test_a_bad_line_loses_and_doubles_nothing_and_holds_nobody_up(
    ws: Workspace, line: Line, tmp_path: Path
) -> None:
    server = Server(Path(ws.location), host=HERE)
    client = Client(line, server.url, tmp_path / "spool")
    try:
        here = ws.run(client.run_id)
        line.loss, line.delay = LOSS, DELAY
        began = client.state()
        eventually(lambda: arrived(here) > began["steps"] and line.lost > 100, 300)
        eventually(lambda: client.state()["files"] > began["files"], 300)
        bad = client.state()

        line.is_cut = True
        lost = line.lost
        eventually(lambda: client.state()["steps"] > bad["steps"] + DEAD_STEPS, 60)
        assert line.lost > lost, "the line is dead, and who is connected does not know"
        dead = client.state(log="new")

        line.is_cut, line.loss, line.delay = False, 0.0, 0.0
        eventually(lambda: arrived(here) > dead["steps"], 120)
        kept = client.end()
    finally:
        client.kill()
        server.kill()
    assert kept["slowest"] < SLOW
    assert kept["first"] < HURRY_SECONDS + SLOW, (
        "where its steps go on is asked for once, and briefly"
    )
    assert here.get_metric_history("m").steps.tolist() == list(range(kept["steps"]))
    assert here.get_metrics("new") == {"new": 1.0}
    assert here.get_status() is RunState.COMPLETED
    info = here.info()
    assert kept["params"].items() <= info.params.items()
    assert kept["tags"].items() <= info.tags.items()
    files = here.get_file_names()
    assert len(files) == len(set(files))
    for name, digest in kept["files"].items():
        assert sha256(here.read_artifact(f"{name}.txt")).hexdigest() == digest
