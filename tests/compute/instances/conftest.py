"""The records of instances are tested on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest

from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.workspace import folder
from ml_workspace_lab.workspace.model import CreateWorkspace
from tests.postgresql import database_url as database_url


@pytest.fixture
def storage(tmp_path: Path, database_url: str | None, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A workspace in which nothing is started: records and rights come before that."""
    monkeypatch.setattr("ml_workspace_lab.compute.service.wake", lambda _: None)
    return folder.create(tmp_path / "store", CreateWorkspace("lab"), database_url)
