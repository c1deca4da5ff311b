"""A workspace behind a server, and another machine beside it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from tests.faults.servers import Server
from tests.jobs.runner.harness import Config, Far, keep_agents_away


@pytest.fixture
def served(ws: Workspace) -> Iterator[Server]:
    held = keep_agents_away(Path(ws.location))
    server = Server(Path(ws.location))
    yield server
    server.kill()
    os.close(held)


@pytest.fixture
def far(ws: Workspace, served: Server, tmp_path: Path) -> Iterator[Callable[[Config], Far]]:
    """Makes runs for another machine; `url` is how that reaches the workspace."""
    made: list[Far] = []
    machine = tmp_path / "machine"
    machine.mkdir()

    def make(config: Config, url: str | None = None) -> Far:
        made.append(Far(ws, config, url or served.url, machine))
        return made[-1]

    yield make
    for one in made:
        one.end()
