"""What a version's `MLmodel` file says of its inputs and outputs, read as text: the file is
whatever somebody uploaded."""

import json
from typing import Any

MLMODEL = "MLmodel"
MAX_BYTES = 256 * 1024
PARTS = ("inputs", "outputs", "params")


def signature(content: bytes) -> dict[str, list[str]]:
    """Of each part of the signature, its columns as `name: type`; empty where there is none.
    Raises ValueError where the file can't be read."""
    import yaml  # type: ignore[import-untyped]

    try:
        # Every scalar stays a text, and nothing is merged: no document makes this grow or run.
        found = yaml.load(content, yaml.BaseLoader)  # noqa: S506 - it makes plain texts alone
    except (yaml.YAMLError, RecursionError, UnicodeError, TypeError) as error:
        raise ValueError(f"{MLMODEL} can't be read") from error
    told = found.get("signature") if isinstance(found, dict) else None
    if not isinstance(told, dict):
        return {}
    return {part: _columns(told[part]) for part in PARTS if isinstance(told.get(part), str)}


def _columns(text: str) -> list[str]:
    try:
        columns = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"the signature in {MLMODEL} is not JSON") from None
    if not isinstance(columns, list):
        return []
    return [_column(one) for one in columns if isinstance(one, dict)]


def _column(column: dict[str, Any]) -> str:
    tensor = column.get("tensor-spec")
    if isinstance(tensor, dict):
        kind = f"{tensor.get('dtype')}{json.dumps(tensor.get('shape'))}"
    else:
        kind = str(column.get("type"))
    name = column.get("name")
    optional = "" if column.get("required", True) else " (optional)"
    return f"{name}: {kind}{optional}" if name is not None else f"{kind}{optional}"
