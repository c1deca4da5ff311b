"""Who gives tokens for a registry: it knows one user, and signs what that one may do."""

import base64
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.models.packages.registry import PASSWORD, USER

SERVICE, ISSUER = "registry of tests", "issuer of tests"


@dataclass
class Issuer:
    """The server, and what it was asked."""

    url: str = ""
    asked: list[dict[str, list[str]]] = field(default_factory=list)


@contextmanager
def issuing(folder: Path) -> Iterator[tuple[Issuer, dict[str, Any]]]:
    """An issuer, and the settings of a registry that trusts it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: scripts/install_registry does that, as root")
    folder.mkdir()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tests",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    found = Issuer()
    basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(self.headers.get("Authorization") == basic, urlsplit(self.path).query)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(parse_qs(body).get("refresh_token") == ["refreshing"], body)

        def _answer(self, is_known: bool, query: str) -> None:
            asked = parse_qs(query)
            found.asked.append(asked)
            kind, name, actions = asked["scope"][0].split(":")
            access = [{"type": kind, "name": name, "actions": actions.split(",")}]
            content = json.dumps({"token": _token(key, certificate, access)}).encode()
            self.send_response(200 if is_known else 401)
            self.end_headers()
            self.wfile.write(content if is_known else b"{}")

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/token"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings = {
        "token": {
            "realm": found.url,
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(certificate),
        }
    }
    yield found, settings
    server.shutdown()
    thread.join()
    server.server_close()


def _token(key: Path, certificate: Path, access: list[dict[str, Any]]) -> str:
    lines = certificate.read_text().splitlines()
    chain = "".join(line for line in lines if not line.startswith("-"))
    now = int(time.time())
    claims = {
        "iss": ISSUER, "sub": USER, "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now,
        "jti": str(now), "access": access,
    }  # fmt: skip
    header = {"typ": "JWT", "alg": "RS256", "x5c": [chain]}
    signed = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(claims).encode())}"
    words = ["openssl", "dgst", "-sha256", "-sign", key]
    ended = subprocess.run(words, input=signed.encode(), capture_output=True, check=True)
    return f"{signed}.{_part(ended.stdout)}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
