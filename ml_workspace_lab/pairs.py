"""`NAME=VALUE` words, as magics and the command line take them."""

import ast
from collections.abc import Sequence
from typing import Any

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import InvalidInput


def pairs(words: Sequence[str], field: str) -> dict[str, str]:
    """The words as a dictionary. Raises InvalidInput on one without a name or a `=`."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InvalidInput(f"{field}: {word!r} is not NAME=VALUE.", field=field)
        found[name] = value
    return found


def typed_pairs(words: Sequence[str]) -> dict[str, Scalar]:
    """Parameters: a value that reads as a Python number, flag, None or quoted text is that."""
    return {name: _typed(text) for name, text in pairs(words, "param").items()}


def _typed(text: str) -> Scalar:
    try:
        value: Any = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if value is None or isinstance(value, bool | int | float | str) else text
