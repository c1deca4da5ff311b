"""Lines that are cut, or slow and lossy, as a connection over them is seen from above."""

import queue
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class SlowLine:
    """Passes bytes on both ways, each part `delay` seconds later. Part of them is lost at first and
    comes when it is sent again, up to some seconds later, and all that follows waits for it."""

    def __init__(self, port: int, delay: float, loss: float) -> None:
        self._port = port
        self._delay = delay
        self._loss = loss
        self._random = random.Random(11)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.lost = 0
        self.is_bad = True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            for one, other in ((client, server), (server, client)):
                under_way: queue.Queue[tuple[float, bytes]] = queue.Queue()
                for act, end in ((self._take, one), (self._give, other)):
                    threading.Thread(target=act, args=(end, under_way), daemon=True).start()

    def _take(self, end: socket.socket, under_way: "queue.Queue[tuple[float, bytes]]") -> None:
        part = b"first"
        while part:
            try:
                part = end.recv(16_384)
            except OSError:
                part = b""
            due = time.monotonic()
            if self.is_bad:
                due += self._delay
                while self._random.random() < self._loss:
                    self.lost += 1
                    due += self._random.uniform(0.2, 1.5)
            under_way.put((due, part))

    def _give(self, end: socket.socket, under_way: "queue.Queue[tuple[float, bytes]]") -> None:
        with suppress(OSError):
            while True:
                due, part = under_way.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not part:
                    end.shutdown(socket.SHUT_WR)
                    return
                end.sendall(part)


class CutLine:
    """Passes bytes on both ways but while it is cut: then connections break and none is made. A
    target's `workspace_url` is its `url`, and its `cut` is what a conformance test asks for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ends: list[socket.socket] = []
        self._is_cut = False
        threading.Thread(target=self._serve, daemon=True).start()

    @contextmanager
    def cut(self) -> Iterator[None]:
        self._is_cut = True
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()
        try:
            yield
        finally:
            self._is_cut = False

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._is_cut:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._port))
            self._ends += [client, server]
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(65_536):
                other.sendall(part)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
