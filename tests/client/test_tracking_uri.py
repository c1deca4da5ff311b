"""The server that a workspace in a folder has for clients that only speak HTTP."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.local_server import LOCK
from ml_workspace_lab.client.tracking_uri import MOUNT
from ml_workspace_lab.errors import Denied, NotFound
from ml_workspace_lab.storage.files import is_held
from tests.conftest import arguments_of, eventually, of_workspace

ASK = """
import json, os, sys
from ml_workspace_lab import Workspace
uri = Workspace.open(sys.argv[1]).get_mlflow_tracking_uri()
print(json.dumps([uri, os.environ["MLFLOW_TRACKING_TOKEN"]]), flush=True)
sys.stdin.readline()
"""


class Asker:
    """A process that wants the server until it is told to end."""

    def __init__(self, root: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ASK, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "ML_WORKSPACE_SERVER_IDLE_SECONDS": "1"},
        )
        assert self.process.stdout is not None
        self.uri, self.token = json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate("\n")


def test_processes_share_one_server_that_leaves_after_the_last(ws: Workspace) -> None:
    root = Path(ws.location)
    one, two = Asker(ws.location), Asker(ws.location)
    assert (one.uri, one.token) == (two.uri, two.token)
    one.end()
    assert Workspace.connect(one.uri.removesuffix(MOUNT), one.token).name
    assert is_held(root / LOCK)
    two.end()
    eventually(lambda: not is_held(root / LOCK), what="the server leaves")


def test_a_server_that_was_killed_is_started_anew(ws: Workspace) -> None:
    root = Path(ws.location)
    first = Asker(ws.location)
    servers = [
        p for p in of_workspace(root) if "ml_workspace_lab.server.background" in arguments_of(p)
    ]
    for server in servers:
        server.kill()
    eventually(lambda: not is_held(root / LOCK))
    second = Asker(ws.location)
    assert second.token != first.token
    first.end()
    second.end()
    eventually(lambda: not is_held(root / LOCK))


def test_the_token_of_a_run_has_the_rights_of_the_run_alone(ws: Workspace) -> None:
    asker = Asker(ws.location)
    url = asker.uri.removesuffix(MOUNT)
    mine = ws.experiment("e").start_logging()
    others = ws.experiment("e").start_logging()
    token = ws.connection.tokens.create_for_run(mine.id).token
    remote = Workspace.connect(url, token)
    remote.run(mine.id).log_series("m", [1.0])
    assert mine.get_metrics() == {"m": 1.0}
    with pytest.raises(Denied):
        remote.run(others.id).log_series("m", [1.0])
    with pytest.raises(NotFound):
        remote.connection.tokens.list()
    with pytest.raises(Denied):
        remote.connection.tokens.create_for_run(others.id)
    mine.complete()
    others.complete()
    asker.end()
