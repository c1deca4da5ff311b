"""Notebooks for tests, made of the sources of their cells."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def write_notebook(
    path: Path, *sources: str, parameters: str | None = None, kernel: str = "python3"
) -> Path:
    """A notebook of code cells, with a `parameters` cell before them where it is asked for."""
    cells = [new_markdown_cell("# A title")]
    if parameters is not None:
        cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    cells += [new_code_cell(source) for source in sources]
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
    return path
