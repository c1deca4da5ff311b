"""The notebook that a magic stands in: as it is on the screen where that can be known, as it was
saved where not, as it was executed where there is nothing else. Unknown is a legal answer."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.notebook.live import live_path

VARIABLE = "ML_WORKSPACE_LAB_NOTEBOOK"
PATIENCE_SECONDS = 0.3
"""How long to wait for the front end's word on the very execution that is asking."""


@dataclass(frozen=True)
class Document:
    """A notebook's content, where it belongs, and what could not be captured of it."""

    folder: Path
    name: str
    content: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def raw(self) -> bytes:
        return json.dumps(self.content, ensure_ascii=False, indent=1).encode()


def named(path: str | Path) -> Document:
    """The saved notebook at `path`. Raises InvalidInput where there is none."""
    path = Path(path).expanduser()
    content = _read(path)
    if content is None:
        raise InvalidInput(f"There is no notebook {shown(path)}.", field="notebook")
    return Document(path.parent.absolute(), path.name, content)


def current(shell: Any) -> Document:
    """The notebook whose kernel `shell` is."""
    return _on_screen(shell) or _saved(shell) or _executed(shell)


def single_cell(source: str, like: Document | None) -> Document:
    """A notebook of one cell, beside the one that it stands in."""
    metadata = like.content.get("metadata", {}) if like else {}
    folder, name = (like.folder, f"{Path(like.name).stem}-cell.ipynb") if like else _unknown()
    return Document(folder, name, _notebook([source], metadata))


def _on_screen(shell: Any) -> Document | None:
    kernel_id = _kernel_id(shell)
    if kernel_id is None:
        return None
    path = live_path(kernel_id)
    pushed = _read_pushed(path)
    if pushed is None:
        return None
    where = Path(pushed["path"])
    return Document(where.parent, where.name, pushed["content"])


def _read_pushed(path: Path) -> dict[str, Any] | None:
    """What the front end sent last; where it is there, its word on this execution is awaited: a
    word on an edit alone may lack the edits since."""
    asked = time.time()
    while True:
        try:
            late = time.time() - asked > PATIENCE_SECONDS
            if late or path.stat().st_mtime >= asked - PATIENCE_SECONDS:
                pushed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                if late or pushed["cell_id"]:
                    return pushed
        except FileNotFoundError:
            return None
        time.sleep(0.01)


def _saved(shell: Any) -> Document | None:
    """The file that Jupyter, VS Code or a job names."""
    names = (
        os.environ.get(VARIABLE),
        shell.user_ns.get("__vsc_ipynb_file__"),
        os.environ.get("JPY_SESSION_NAME"),
    )
    for name in names:
        path = Path(name) if name else None
        if path is not None and path.suffix == ".ipynb" and (content := _read(path)) is not None:
            note = "The notebook was taken as it was saved; later changes are not in it."
            return Document(path.parent.absolute(), path.name, content, (note,))
    return None


def _executed(shell: Any) -> Document:
    """The cells that were executed, in their order: what is known without any front end."""
    sources = [source for source in shell.user_ns.get("In", [])[1:] if source.strip()]
    folder, name = _unknown()
    note = (
        "Where this notebook is saved could not be found out, so the run has the cells that were"
        " executed, in their order, and no text. Name the file to have all: %ws_run FILE.ipynb"
    )
    return Document(folder, name, _notebook(sources, {}), (note,))


def _unknown() -> tuple[Path, str]:
    return Path.cwd(), "notebook.ipynb"


def _notebook(sources: list[str], metadata: dict[str, Any]) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{index}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for index, source in enumerate(sources, 1)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _kernel_id(shell: Any) -> str | None:
    """The kernel's id, which its connection file is named after."""
    kernel = getattr(shell, "kernel", None)
    file = getattr(getattr(kernel, "parent", None), "connection_file", None)
    return Path(file).stem.removeprefix("kernel-") if file else None
