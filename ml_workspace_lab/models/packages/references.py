"""How images of a registry are named: `HOST/REPOSITORY:TAG`, `REPOSITORY@sha256:…`."""

import ipaddress
import re
from dataclasses import dataclass

from ml_workspace_lab.errors import InvalidInput, shown

DOCKER_HUB = "registry-1.docker.io"
_HUB_NAMES = ("docker.io", "index.docker.io", DOCKER_HUB)
_HOST = re.compile(
    r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?"
)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_LOGIN = re.compile(r"[^/]*@[^/]*/")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """An image in a registry; `version` is a tag or a digest."""

    host: str
    repository: str
    version: str

    @classmethod
    def parse(cls, text: str, field: str) -> "Reference":
        """Raises InvalidInput. Without a host it is Docker Hub's, without a tag `latest`."""
        if "://" in text or _LOGIN.match(text):
            raise InvalidInput(
                f"{field}: is HOST/REPOSITORY:TAG, without a scheme and without a password.",
                field=field,
            )
        rest, _, digest = text.partition("@")
        first, slash, after = rest.partition("/")
        host = ""
        if slash and (set(".:[") & set(first) or first == "localhost"):
            host, rest = first, after
        repository, colon, tag = rest.partition(":")
        if host in ("", *_HUB_NAMES):
            host = DOCKER_HUB
            repository = repository if "/" in repository else f"library/{repository}"
        version = digest or tag or "latest"
        fits = (
            _HOST.fullmatch(host)
            and _REPOSITORY.fullmatch(repository)
            and len(repository) <= 255
            and (not colon or _TAG.fullmatch(tag))
            and ("@" not in text or _DIGEST.fullmatch(digest))
        )
        if not fits:
            raise InvalidInput(
                f"{field}: {shown(text)} does not name an image.",
                field=field,
                hint="Write HOST/REPOSITORY:TAG, the repository in small letters.",
            )
        return cls(host, repository, version)

    @property
    def origin(self) -> str:
        """Its address: plain HTTP on this machine alone."""
        return f"{'http' if is_loopback(self.host) else 'https'}://{self.host}"

    def __str__(self) -> str:
        sign = "@" if self.version.startswith("sha256:") else ":"
        return f"{self.host}/{self.repository}{sign}{self.version}"


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine by its very name."""
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"
