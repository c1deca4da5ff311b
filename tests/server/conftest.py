import pytest

from ml_workspace_lab.access.model import CreateToken
from tests.conftest import Server
from tests.server.http import Client


def client(server: Server, *actions: str) -> Client:
    """A client with a token for these actions."""
    token = server.local.connection.tokens.create(CreateToken("test", list(actions))).token
    return Client(server.url, f"Bearer {token}")


@pytest.fixture
def ask(server: Server) -> Client:
    """A client that may do everything."""
    return client(server, "*")
