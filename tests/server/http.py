"""A client of the API that sends what it is told to."""

import json
from dataclasses import dataclass
from typing import Any

from tests.http import Answer, request

PREFIX = "ml-workspace-lab/api/v1"


@dataclass(frozen=True)
class Client:
    """Asks the server at `url` with this `Authorization`."""

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
        sent = {"Content-Type": "application/json", **(headers or {})}
        if self.authorization:
            sent["Authorization"] = self.authorization
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        return request(method, f"{self.url}{PREFIX}{path}", content, sent)
