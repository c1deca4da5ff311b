"""A line that is slow and loses much, as a connection over it is seen from above."""

import queue
import random
import socket
import threading
import time
from contextlib import suppress


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
