"""How much of what its cells show an output notebook keeps, all of them together."""

import json
import os
from typing import Any

VARIABLE = "ML_WORKSPACE_NOTEBOOK_BYTES"
MOST = 256 * 1024**2
FULL = (
    "[The outputs of this notebook have reached their limit of {:,} bytes: what follows is left out"
    " of it. What cells print is in the log.]\n"
)


class NotebookRoom:
    """The sizes (characters, roughly bytes) of the outputs of each cell, as they are now."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most or int(os.environ.get(VARIABLE, MOST))
        self._sizes: dict[int, int] = {}
        self._full: set[int] = set()
        self.left = self.most

    def clear(self, cell: int) -> None:
        """A cell shows nothing any more."""
        self.left += self._sizes.pop(cell, 0)
        self._full.discard(cell)

    def take(self, cell: int, size: int) -> None:
        """A cell shows so much more."""
        self._sizes[cell] = self._sizes.get(cell, 0) + size
        self.left -= size

    def note(self, cell: int) -> str:
        """What a cell that has no room is to say of that, once."""
        if cell in self._full:
            return ""
        self._full.add(cell)
        return FULL.format(self.most)


def size_of(content: dict[str, Any]) -> int:
    """That of what a message shows."""
    data = content.get("data", {})
    return sum(
        len(value) if isinstance(value, str) else len(json.dumps(value)) for value in data.values()
    )
