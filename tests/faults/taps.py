"""A line to a server that can be cut after so many bytes."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress


class Tap:
    """Passes bytes on; the first connection is reset after so many of them, one way or back."""

    def __init__(self, port: int, forth: int | None, back: int | None) -> None:
        self._port = port
        self._limits: list[tuple[int | None, int | None]] = [(forth, back)]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.resets = self.sent = 0
        self.refuse_after_first = False
        self._due: tuple[int, Callable[[], object]] | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def act_at(self, sent: int, act: Callable[[], object]) -> None:
        """Call `act` once so many bytes were passed on, before the next ones are."""
        self._due = sent, act

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse_after_first and not self._limits:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._port))
            forth, back = self._limits.pop() if self._limits else (None, None)
            for one, other, limit in ((client, server, forth), (server, client, back)):
                act: Callable[..., None] = self._pass
                threading.Thread(target=act, args=(one, other, limit), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, limit: int | None) -> None:
        with suppress(OSError):
            while limit is None or limit > 0:
                part = one.recv(65536 if limit is None else min(4096, limit))
                if not part:
                    break
                other.sendall(part)
                self.sent += len(part)
                if self._due is not None and self.sent >= self._due[0]:
                    (_, act), self._due = self._due, None
                    act()
                limit = None if limit is None else limit - len(part)
        if limit == 0:
            self.resets += 1
        for end in (one, other):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()
