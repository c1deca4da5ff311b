"""Parameters of a notebook: found in the cell tagged `parameters`, set in a cell after it."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.jobs import languages

TAG = "parameters"
INJECTED = "injected-parameters"


def declared(notebook: Mapping[str, Any]) -> dict[str, str]:
    """The names that the `parameters` cell assigns, with their defaults as they are written."""
    cell = _tagged(notebook, TAG)
    return {} if cell is None else _language(notebook).declared(source_of(cell))


def check(notebook: Mapping[str, Any], parameters: Mapping[str, Scalar]) -> None:
    """Raise InvalidInput on a parameter that the notebook does not declare, or can't have."""
    if not parameters:
        return
    language = _language(notebook)
    if _tagged(notebook, TAG) is None:
        raise InvalidInput(
            "The notebook has no cell tagged `parameters`.",
            field="parameters",
            hint="Put the defaults into one cell and give it the tag `parameters`"
            " (property inspector, Cell Tags).",
        )
    known = declared(notebook)
    for name in parameters:
        if name not in known:
            raise InvalidInput(
                f"The notebook has no parameter {name!r}.",
                field=f"parameters.{name}",
                hint=f"Its cell tagged `parameters` sets: {', '.join(known) or 'nothing'}.",
            )
    for name, value in parameters.items():
        language.assignment(name, value)


def inject(notebook: dict[str, Any], parameters: Mapping[str, Scalar]) -> None:
    """Put a cell that sets `parameters` after the cell that declares their defaults."""
    if not parameters:
        return
    cells = notebook["cells"]
    index = next(i for i, cell in enumerate(cells) if TAG in tags_of(cell))
    assignment = _language(notebook).assignment
    source = "\n".join(assignment(name, value) for name, value in parameters.items())
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {"tags": [INJECTED]},
        "source": f"# Parameters of this run\n{source}",
        "outputs": [],
        "execution_count": None,
    }
    if (notebook.get("nbformat", 4), notebook.get("nbformat_minor", 0)) >= (4, 5):
        cell["id"] = uuid4().hex[:8]
    cells.insert(index + 1, cell)


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    tags = cell.get("metadata", {}).get("tags", [])
    return tags if isinstance(tags, list) else []


def source_of(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else source


def _tagged(notebook: Mapping[str, Any], tag: str) -> Mapping[str, Any] | None:
    return next((cell for cell in notebook.get("cells", []) if tag in tags_of(cell)), None)


def _language(notebook: Mapping[str, Any]) -> languages.Language:
    """The language of the notebook. Raises InvalidInput where its parameters can't be set."""
    metadata = notebook.get("metadata", {})
    name = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get(
        "name", "python"
    )
    found = languages.language(name)
    if found is None:
        raise InvalidInput(
            f"Parameters can be set in Python and R notebooks, and this one is in {name}.",
            field="parameters",
        )
    return found
