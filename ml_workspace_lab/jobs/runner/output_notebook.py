"""The output notebook as it is shown while it grows: what has not changed is not encoded again."""

import json
from typing import Any


class OutputNotebook:
    """Encodes a notebook again and again, each cell only after it was `touched`."""

    def __init__(self, notebook: Any) -> None:
        self._notebook = notebook
        self._cells: list[bytes | None] = [None] * len(notebook.cells)

    def touched(self, index: int) -> None:
        self._cells[index] = None

    def encoded(self) -> bytes:
        """The notebook as it is now (nbformat 4 JSON, in few lines)."""
        for index, known in enumerate(self._cells):
            if known is None:
                self._cells[index] = _encode(self._notebook.cells[index])
        rest = {name: value for name, value in self._notebook.items() if name != "cells"}
        cells = b",\n".join(cell for cell in self._cells if cell is not None)
        return b'{"cells": [\n' + cells + b"\n],\n" + _encode(rest)[1:] + b"\n"


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
