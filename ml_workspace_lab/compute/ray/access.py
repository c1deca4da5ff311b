"""How a Ray cluster is reached."""

import ssl
from pathlib import Path

from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.http import Engine
from ml_workspace_lab.compute.ray.settings import RaySettings


def connect(settings: RaySettings) -> Engine:
    """Its dashboard. Asks nobody yet."""
    return Engine(
        settings.address,
        token=lambda: _token(settings.token_file),
        tls=lambda: ssl.create_default_context(cafile=settings.ca_file),
    )


def _token(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return Path(file).expanduser().read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreachable(f"The token in {file} can't be read: {error}.") from error
