"""Requests to a server under test, and what came back."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PREFIX = "ml-workspace-lab/api/v1"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Client:
    """Sends what it is told to, however wrong, with this `Authorization`."""

    url: str
    authorization: str = ""

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        sent = {"Content-Type": "application/json", **(headers or {})}
        if self.authorization:
            sent["Authorization"] = self.authorization
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, f"{parts.path}{PREFIX}{path}", content, sent)
            answer = connection.getresponse()
            return Answer(
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.read(),
            )
        finally:
            connection.close()
