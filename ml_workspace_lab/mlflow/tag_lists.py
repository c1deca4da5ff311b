"""Lists that the protocol keeps as JSON in a tag, which anybody may set to anything."""

import json
from collections.abc import Mapping
from typing import Any

from ml_workspace_lab.errors import InvalidInput


def tag_list(tags: Mapping[str, str], key: str) -> list[Any]:
    """The list in a tag; empty where there is no such tag, or nothing in it. Raises InvalidInput
    where it holds something else, which is not to be lost."""
    try:
        found = json.loads(tags.get(key) or "[]")
    except (ValueError, RecursionError):
        found = False
    if found is None:
        return []
    if not isinstance(found, list):
        raise InvalidInput(
            f"The tag {key!r} holds no list in JSON, so nothing can be added to it: delete the tag"
            " first.",
            field="tags",
        )
    return found
