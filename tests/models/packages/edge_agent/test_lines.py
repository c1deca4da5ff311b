"""The line of a device is cut: what runs goes on, and what is to be said or fetched waits."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from ml_workspace_lab.errors import InvalidInput, Unavailable
from ml_workspace_lab.models.packages.edge_agent.images import Images
from ml_workspace_lab.models.packages.edge_agent.web import Place
from tests.models.packages import registry
from tests.models.packages.edge_agent.conftest import push
from tests.models.packages.edge_agent.device import NAME, Device
from tests.waiting import eventually


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Center:
    """Who gives the manifest to those with a token, and takes reports. While it is `away` it takes
    what is sent, and the answer is lost every second time."""

    manifest: bytes = b""
    is_away: bool = False
    refused: int = 0
    taken: list[dict[str, Any]] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        center = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_known = self.headers.get("Authorization") == "Bearer of the device"
                self._answer(200 if is_known and not center.is_away else 401, center.manifest)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if center.is_away:
                    center.refused += 1
                    self._answer(503, b"")
                    return
                center.taken += json.loads(content)
                self._answer(200, b"")

            def _answer(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                """Nothing."""

        return Handler


def test_reports_and_telemetry_wait_for_the_line_and_come_in_order_each_once(
    edge_device: Device, image: Callable[[str], Path], tmp_path: Path
) -> None:
    center = Center(json.dumps(edge_device.document(image("one"))).encode())
    token = tmp_path / "token"
    token.write_text("of the device\n")
    with serving(center.handler()) as host:
        words = ("--token-file", token, "--report", f"http://{host}/reports")
        edge_device.start(*words, desired=f"http://{host}/desired")
        edge_device.runs(image("one"))
        eventually(lambda: center.taken, what="it reports")
        center.is_away = True
        before = center.refused
        for _ in range(5):
            assert edge_device.ask().status == 200
        edge_device.ask({"not": "a number"})
        eventually(lambda: center.refused > before + 2, what="it is refused")
        # What waits outlives the agent; what is desired holds without anybody to ask.
        assert edge_device.stop() == 0
        edge_device.start(*words, desired=f"http://{host}/desired")
        edge_device.runs(image("one"))
        assert "401" in edge_device.reported()["desired"]["trouble"]
        there = len(center.taken)
        center.is_away = False

        def lines() -> list[dict[str, Any]]:
            return [one for one in center.taken[there:] if one["kind"] == "telemetry"]

        eventually(lambda: sum(one["requests"] for one in lines()) >= 6, what="all of it comes")
        numbers = [one["sequence"] for one in center.taken]
        assert numbers == list(range(1, numbers[-1] + 1))
        assert sum(one["requests"] for one in lines()) == 6
        assert sum(one["errors"] for one in lines()) == 1
        told = next(one for one in lines() if "mean_ms" in one)
        assert (told["module"], told["device"]) == (NAME, edge_device.reported()["device"])
        assert 0 < told["mean_ms"] < 1000
        states = [
            one["modules"].get(NAME, {}).get("status")
            for one in center.taken
            if one["kind"] == "reported"
        ]
        assert "running" in states
        assert "stopped" in states


def cut_after(count: int, host: str, asked: list[tuple[str, str]]) -> type[BaseHTTPRequestHandler]:
    """A registry whose line is cut after so many bytes of a content."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            asked.append((self.path, wanted))
            headers = {n: self.headers[n] for n in ("Accept", "Range") if self.headers.get(n)}
            with urlopen(Request(f"http://{host}{self.path}", headers=headers)) as answer:
                content = answer.read()
                self.send_response(answer.status)
                for name in ("Content-Type", "Content-Range", "Content-Length"):
                    if value := answer.headers.get(name):
                        self.send_header(name, value)
                self.end_headers()
            self.wfile.write(content[:count])

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    return Handler


def test_a_content_that_was_cut_off_goes_on_where_it_was(
    image: Callable[[str], Path], tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []
    with registry.running(tmp_path / "registry") as host:
        name = push(image("one"), f"{host}/models/scale:1")
        with serving(cut_after(8_000_000, host, asked)) as line:
            images = Images(tmp_path / "images")
            found, cut = None, 0
            while found is None:
                try:
                    found = images.get(name.replace(host, line), {})
                except Unavailable:
                    cut += 1
    assert cut >= 2
    assert f"bytes={8_000_000}-" in [wanted for _, wanted in asked]
    whole = [path for path, wanted in asked if "/blobs/" in path and not wanted]
    layers = {layer.digest for layer in found.manifest.layers}
    assert sorted(path.rpartition("/")[2] for path in whole if path[-71:] in layers) == sorted(
        layers
    )
    assert (found.home / "score.py").is_file()
    # Others have the same layers below: nothing of them is asked for.
    assert not list((tmp_path / "images" / "parts").iterdir())


def test_a_content_that_comes_damaged_is_fetched_anew(
    image: Callable[[str], Path], tmp_path: Path
) -> None:
    with registry.running(tmp_path / "registry") as host:
        name = push(image("one"), f"{host}/models/scale:1")
        images = Images(tmp_path / "images")
        parts = tmp_path / "images" / "parts"
        parts.mkdir(parents=True)
        first = next(iter(Images(tmp_path / "other").get(name, {}).manifest.layers))
        (parts / first.digest.removeprefix("sha256:")).write_bytes(b"x" * 1000)
        with pytest.raises(Unavailable, match="came damaged"):
            images.get(name, {})
        assert images.get(name, {}).digest == name.partition("@")[2]


def test_a_token_is_said_where_nobody_else_hears_it() -> None:
    Place("http://127.0.0.1:1/", "token")
    Place("https://example.com/", "token")
    Place("http://example.com/")
    for url in ("http://example.com/", "ftp://example.com/", "https://lena:word@example.com/"):
        with pytest.raises(InvalidInput):
            Place(url, "token")
    assert "secret" not in repr(Place("https://example.com/", "secret"))
