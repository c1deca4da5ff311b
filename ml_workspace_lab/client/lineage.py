"""What a run reads and makes, told by its user: a dataset, a file, an address."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_workspace_lab.client.content_digest import content_digest
from ml_workspace_lab.client.files import is_file, is_folder
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.experiments.lineage import Direction, LineageItem

PART = 1 << 20
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:.", re.IGNORECASE)


def item(
    direction: Direction,
    thing: Any,
    *,
    name: str | None,
    digest: str | None,
    context: str,
    kind: str,
    data: Mapping[str, Any],
) -> LineageItem:
    """The lineage of `thing`: a file of this machine (its SHA-256 is the digest), the address of
    something elsewhere, or a data frame or array (its shape and columns are kept, and the digest is
    that of its content: see `content_digest`). What is no dataset may have a plain name in place of
    an address.

    Raises InvalidInput for anything else, or where no name is given for what has none.
    """
    known = dict(data)
    if isinstance(thing, str | Path):
        path = Path(thing)
        if is_file(path):
            name, digest = name or path.name, digest or _digest(path)
            size = path.stat().st_size
            known = {"source_type": "local", "source": str(path), "size": size} | known
        elif isinstance(thing, Path) or (kind == "dataset" and not _ADDRESS.match(thing)):
            raise _no_file(direction, path)
        else:
            name, known = name or thing, {"source_type": "uri", "source": thing} | known
    elif hasattr(thing, "shape"):
        known = {"source_type": "memory", **_shape(thing)} | known
        digest = digest or content_digest(thing)
    else:
        raise InvalidInput(
            f"{type(thing).__name__} can't be told as {direction}.",
            field=direction,
            hint="Give a path, an address, or a data frame or array with a name.",
        )
    if not name:
        raise InvalidInput("name: is needed for what has none of its own.", field="name")
    return LineageItem(direction, kind, name, digest or "", context, known)


def _no_file(direction: Direction, path: Path) -> InvalidInput:
    reason = "is a folder" if is_folder(path) else "is no file"
    return InvalidInput(
        f"{direction}: {shown(str(path))} {reason}.",
        field=direction,
        hint="Give a file, or an address such as s3://bucket/key.",
    )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(PART):
            digest.update(part)
    return digest.hexdigest()


def _shape(thing: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"shape": [int(length) for length in thing.shape]}
    columns = getattr(thing, "columns", None)
    if columns is not None:
        found["columns"] = [str(column) for column in columns]
    return found
