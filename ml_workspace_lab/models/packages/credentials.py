"""Who one is to a registry: what the caller says, or what `docker login` has kept."""

import base64
import binascii
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.packages.references import DOCKER_HUB

_HUB_KEY = "https://index.docker.io/v1/"
_HELPER = re.compile(r"[A-Za-z0-9_-]+")
_OF_A_TOKEN = "<token>"  # noqa: S105 - how helpers say that a secret is an identity token
HELPER_SECONDS = 30


@dataclass(frozen=True)
class Credentials:
    """A name and a password, or an identity token, which stands for both. None of the secrets is
    in what the object says of itself."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of the header that says it."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def given(username: str | None, password: str | None) -> Credentials | None:
    """What the caller says, None where that is nothing. Raises InvalidInput on one without the
    other."""
    if username is None and password is None:
        return None
    if not username or not password or ":" in username:
        raise InvalidInput("Give both a username and a password.", field="username")
    return Credentials(username, password)


def kept(host: str) -> Credentials | None:
    """What Docker's configuration has for a registry; None where it has nothing, or is no
    configuration."""
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        found = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    key = _HUB_KEY if host == DOCKER_HUB else host
    helper = _part(found, "credHelpers").get(key) or found.get("credsStore")
    if isinstance(helper, str) and (asked := _ask(helper, key)):
        return asked
    kept = _part(found, "auths")
    entry = kept.get(key) or kept.get(f"https://{key}")
    return _entry(entry) if isinstance(entry, dict) else None


def _part(found: dict[str, Any], name: str) -> dict[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _entry(entry: dict[str, Any]) -> Credentials | None:
    if token := entry.get("identitytoken"):
        return Credentials(identity=str(token))
    try:
        name, colon, password = base64.b64decode(entry.get("auth") or "").decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, TypeError):
        return None
    return Credentials(name, password.rstrip("\0")) if colon else None


def _ask(helper: str, key: str) -> Credentials | None:
    """What Docker's helper of that name keeps for a registry."""
    program = shutil.which(f"docker-credential-{helper}") if _HELPER.fullmatch(helper) else None
    if program is None:
        return None
    try:
        ended = subprocess.run(
            [program, "get"],
            input=key.encode(),
            capture_output=True,
            timeout=HELPER_SECONDS,
            check=True,
        )
        found = json.loads(ended.stdout)
        name, secret = str(found["Username"]), str(found["Secret"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return Credentials(identity=secret) if name == _OF_A_TOKEN else Credentials(name, secret)
