"""The notebook as it is on the screen, handed from the front end to the notebook's kernel.

The server writes what the front end sends into Jupyter's runtime folder, beside the kernel's own
connection file, where the kernel finds it by its id: no network, no token.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

from jupyter_core.paths import jupyter_runtime_dir
from msgspec import Struct

from ml_workspace_lab.api.operation import HostService, operation
from ml_workspace_lab.api.types import Nothing, Text, text_like
from ml_workspace_lab.storage.files import write_atomic

KernelId = Annotated[str, text_like(r"^[A-Za-z0-9_-]{1,64}$(?!\n)", "is not the id of a kernel")]
MAX_AGE_SECONDS = 7 * 24 * 60 * 60


class LiveNotebook(Struct, frozen=True, forbid_unknown_fields=True):
    """A notebook's document (nbformat 4, outputs left out) and the cell that was run last."""

    kernel_id: KernelId
    path: Text
    content: dict[str, Any]
    cell_id: Text | None = None


class LiveNotebooks(HostService):
    """Notebooks that are open in a front end."""

    @operation(
        "POST",
        "/notebooks/live",
        action="notebooks/write",
        audited=False,
        body_limit=64 * 1024 * 1024,
    )
    def push(self, body: LiveNotebook) -> Nothing:
        """Tell the kernel what its notebook looks like now."""
        path = live_path(body.kernel_id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_old(path.parent)
        content = {
            "path": str(self.host.root / body.path),
            "cell_id": body.cell_id,
            "content": body.content,
        }
        write_atomic(path, json.dumps(content).encode())
        return Nothing()


def live_path(kernel_id: str) -> Path:
    """Where the newest document of a kernel's notebook lies."""
    return Path(jupyter_runtime_dir()) / "ml-workspace-lab" / f"{kernel_id}.json"


def _remove_old(folder: Path) -> None:
    for path in folder.glob("*.json"):
        if time.time() - path.stat().st_mtime > MAX_AGE_SECONDS:
            path.unlink(missing_ok=True)
