"""Servers of HTTP that stand in a Ray cluster's place, for as long as a test asks them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


class Quiet(BaseHTTPRequestHandler):
    """Answers without a word in the test's output."""

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running(server: HTTPServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


@contextmanager
def answering(path: str, status: int, body: bytes) -> Iterator[int]:
    """The port of a server that has one answer, to a GET of this path alone."""

    class Answers(Quiet):
        def do_GET(self) -> None:
            self.answer(*((status, body) if self.path == path else (404, b"")))

    server = HTTPServer(("127.0.0.1", 0), Answers)
    with running(server):
        yield server.server_port
