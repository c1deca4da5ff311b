"""Short talks over HTTP: asking for the desired state, and sending reports."""

import http.client
from dataclasses import dataclass, field
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from ml_workspace_lab.errors import InvalidInput, Unavailable, shown
from ml_workspace_lab.models.packages.references import is_loopback

TIMEOUT_SECONDS = 15.0
LIMIT = 4 << 20


def is_address(text: str) -> bool:
    return text.startswith(("http://", "https://"))


@dataclass(frozen=True)
class Place:
    """An address, and the token that is said there and nowhere else."""

    url: str
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if not is_address(self.url) or not parts.hostname or parts.username is not None:
            raise InvalidInput(
                f"{shown(self.url)} is no address: http(s)://HOST/PATH, without a password.",
                field="url",
            )
        if self.token and parts.scheme != "https" and not is_loopback(parts.netloc):
            raise InvalidInput(
                "A token is said over https only, on this machine also over http.", field="url"
            )

    def get(self) -> bytes:
        """What is there, up to 4 MiB. Raises Unavailable."""
        return self._ask(Request(self.url))  # noqa: S310 - checked above

    def post(self, content: bytes) -> None:
        """Send JSON. Raises Unavailable where it was not taken."""
        headers = {"Content-Type": "application/json"}
        self._ask(Request(self.url, content, headers, method="POST"))  # noqa: S310 - checked above

    def _ask(self, request: Request) -> bytes:
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with _opener(self.url).open(request, timeout=TIMEOUT_SECONDS) as answer:
                content: bytes = answer.read(LIMIT + 1)
        except HTTPError as error:
            with error:
                raise Unavailable(f"{self.url} says {error.code}: {error.reason}.") from None
        except URLError as error:
            raise Unavailable(f"{self.url} does not answer: {error.reason}.") from None
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self.url} does not answer: {error}.") from None
        if len(content) > LIMIT:
            raise Unavailable(f"{self.url} says more than {LIMIT >> 20} MiB.")
        return content


def _opener(url: str) -> OpenerDirector:
    """Goes where it is told to and nowhere else: redirects are refusals."""
    found = OpenerDirector()
    proxies = ProxyHandler({}) if is_loopback(urlsplit(url).netloc) else ProxyHandler()
    for handler in (proxies, HTTPHandler(), HTTPSHandler()):
        found.add_handler(handler)
    found.add_handler(HTTPDefaultErrorHandler())
    found.add_handler(HTTPErrorProcessor())
    return found
