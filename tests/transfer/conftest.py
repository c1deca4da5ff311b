"""These tests run on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab import Workspace
from ml_workspace_lab.api.connection import LocalConnection
from ml_workspace_lab.storage.storage import Storage
from tests.conftest import end_agents
from tests.postgresql import database_url as database_url


def storage(ws: Workspace) -> Storage:
    assert isinstance(ws.connection, LocalConnection)
    return ws.connection.storage


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Workspace]:
    """Another workspace, always in a file."""
    yield Workspace.create("other", tmp_path / "other")
    end_agents(tmp_path / "other")
