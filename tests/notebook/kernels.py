"""Kernels whose cells a test executes one by one, as a notebook's user does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from ml_workspace_lab import Workspace
from tests.conftest import end_agents, end_work, eventually, of_workspace


class Cell:
    """What one executed cell has put out."""

    def __init__(self, outputs: list[Any]) -> None:
        self.outputs = outputs

    @property
    def bundles(self) -> list[dict[str, Any]]:
        return [output["data"] for output in self.outputs if "data" in output]

    @property
    def text(self) -> str:
        """All that is text in it: streams, the text form of results, errors with their trace."""
        parts = [str(output.get("text", "")) for output in self.outputs]
        parts += [bundle["text/plain"] for bundle in self.bundles]
        parts += ["\n".join(o["traceback"]) for o in self.outputs if o["output_type"] == "error"]
        return "\n".join(part for part in parts if part)


class Kernel:
    """A kernel of its own process, with our extension loaded."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client

    @property
    def id(self) -> str:
        return Path(self._client.km.connection_file).stem.removeprefix("kernel-")

    def __call__(self, source: str) -> Cell:
        cell = new_code_cell(source)
        self._client.nb.cells.append(cell)
        index = len(self._client.nb.cells) - 1
        return Cell(self._client.execute_cell(cell, index).outputs)


@contextmanager
def kernel_in(folder: Path, **options: Any) -> Iterator[Kernel]:
    notebook: nbformat.NotebookNode = new_notebook()
    client = NotebookClient(notebook, allow_errors=True, timeout=120, kernel_name="python3")
    with client.setup_kernel(cwd=str(folder), **options):
        kernel = Kernel(client)
        kernel("%load_ext ml_workspace_lab")
        yield kernel


def end_workspace(root: Path) -> None:
    """End all that goes on in the workspace in `root`."""
    end_work(Workspace.open(root))
    eventually(lambda: not of_workspace(root), what="all processes end")
    end_agents(root)
