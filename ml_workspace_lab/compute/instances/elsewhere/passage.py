"""Passes what comes to a port of this machine's loopback on to a server elsewhere."""

import asyncio
import socket
import threading
from asyncio import StreamReader, StreamWriter
from functools import partial

from ml_workspace_lab.compute.instances.folder import Address

PATIENCE_SECONDS = 10.0
SILENT_SECONDS = 30
"""After so long without a word the other machine is asked whether it is still there."""
SIZE = 65_536


def open_passage(address: Address, wanted: int) -> int:
    """The port, which is `wanted` where that is free. It is open for as long as this process is
    there. Raises OSError where no port can be had."""
    listening = _listen(wanted)
    port: int = listening.getsockname()[1]
    serving = threading.Thread(
        target=lambda: asyncio.run(_serve(listening, address)), name="passage", daemon=True
    )
    serving.start()
    return port


def _listen(wanted: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", wanted))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


async def _serve(listening: socket.socket, address: Address) -> None:
    server = await asyncio.start_server(partial(_pass, address), sock=listening)
    async with server:
        await server.serve_forever()


async def _pass(address: Address, reader: StreamReader, writer: StreamWriter) -> None:
    """One connection. A server that is not there looks like one that hangs up."""
    try:
        connecting = asyncio.open_connection(address.host, address.port)
        far_reader, far_writer = await asyncio.wait_for(connecting, PATIENCE_SECONDS)
    except (OSError, TimeoutError):
        writer.close()
        return
    _ask_when_silent(far_writer.get_extra_info("socket"))
    try:
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
    except OSError:
        pass  # One side has gone, so the other is let go.
    finally:
        writer.close()
        far_writer.close()


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(SIZE):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _ask_when_silent(connection: socket.socket) -> None:
    """A machine that was cut off does not hang up: without this a page would wait for ever."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE"):  # as Linux and as macOS call it
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), SILENT_SECONDS)
