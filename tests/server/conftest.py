from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_workspace_lab.access.model import CreateToken
from tests.conftest import Server
from tests.server.alone import Alone, new_workspace, served
from tests.server.http import Client


def client(server: Server, *actions: str) -> Client:
    """A client with a token for these actions."""
    token = server.local.connection.tokens.create(CreateToken("test", list(actions))).token
    return Client(server.url, f"Bearer {token}")


@pytest.fixture
def ask(server: Server) -> Client:
    """A client that may do everything."""
    return client(server, "*")


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A server of our own, without Jupyter."""
    with served(new_workspace(tmp_path_factory.mktemp("alone"))) as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a new workspace."""
    return new_workspace(tmp_path)
