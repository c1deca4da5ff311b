"""What a chart's JSON may be given as: a mapping, its JSON text, or the name of a file of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_workspace_lab.api.strict_json import loads
from ml_workspace_lab.errors import InvalidInput, shown


def read(value: Any) -> Mapping[str, Any]:
    """The mapping that `value` is, spells or names. Raises InvalidInput where it does none."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        raw = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, str | Path):
        raw = _file(value)
    else:
        raise InvalidInput(
            f"value: {type(value).__name__} is not a mapping, JSON text or a file's name.",
            field="value",
        )
    try:
        found = loads(raw)
    except InvalidInput as error:
        # It speaks of a request's body; what is at fault here is the argument.
        message = error.message.replace("The body", "The text")
        raise InvalidInput(f"value: {message}", field="value", hint=error.hint) from None
    if not isinstance(found, dict):
        raise InvalidInput("value: the JSON is not an object.", field="value")
    return found


def _file(name: str | Path) -> bytes:
    try:
        return Path(name).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not a file's name"
        raise InvalidInput(
            f"value: {shown(name)}: {reason}.",
            field="value",
            hint="Text is taken as JSON where it begins with { and as a file's name elsewhere.",
        ) from None
