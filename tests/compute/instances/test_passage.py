"""What comes to a port here is passed on to a server elsewhere, both ways, to the end."""

import socket
import threading
from collections.abc import Iterator

import pytest

from ml_workspace_lab.compute.instances.elsewhere.passage import open_passage
from ml_workspace_lab.compute.instances.folder import Address

PATIENCE_SECONDS = 20


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_SECONDS)
        yield server


def address_of(server: socket.socket) -> Address:
    host, port = server.getsockname()
    return Address(port, "/", host)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)


def all_of(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_much_goes_both_ways_and_each_end_is_told(far: socket.socket) -> None:
    much = bytes(range(256)) * 40_000

    def answer() -> None:
        there, _ = far.accept()
        with there:
            there.sendall(all_of(there)[::-1])

    answering = threading.Thread(target=answer)
    answering.start()
    with connect(open_passage(address_of(far), 0)) as here:
        here.sendall(much)
        here.shutdown(socket.SHUT_WR)
        assert all_of(here) == much[::-1]
    answering.join()


def test_a_side_that_hangs_up_is_known_to_the_other(far: socket.socket) -> None:
    port = open_passage(address_of(far), 0)
    here = connect(port)
    there, _ = far.accept()
    there.settimeout(PATIENCE_SECONDS)
    here.close()
    assert all_of(there) == b""
    there.close()
    with connect(port) as here:
        there, _ = far.accept()
        there.close()
        assert all_of(here) == b""


def test_a_port_that_is_free_is_taken_and_else_another(far: socket.socket) -> None:
    address = address_of(far)
    port = open_passage(address, 0)
    assert open_passage(address, port) != port
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    assert open_passage(address, free) == free


def test_a_server_that_is_not_there_looks_like_one_that_hangs_up(far: socket.socket) -> None:
    address = address_of(far)
    far.close()
    with connect(open_passage(address, 0)) as here:
        assert all_of(here) == b""
