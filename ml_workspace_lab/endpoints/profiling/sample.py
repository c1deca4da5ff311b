"""The body that a version is asked with: what its user gives, or the first row of its example."""

import json
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.compiled.tables import kept_example
from ml_workspace_lab.models.flavors import loading

HINT = (
    'Give a sample: model.profile(sample={"data": [[…]]}), or --sample on the command line; or'
    " register the model with an input_example."
)


def body(given: Any, model: Path, has_script: bool) -> bytes:
    """The JSON to send. Raises InvalidInput where there is none."""
    if given is not None:
        try:
            return json.dumps(given, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"sample: is not JSON: {error}.", field="sample") from None
    found = None if has_script else _example(model)
    if found is None:
        raise InvalidInput("sample: there is nothing to ask with.", field="sample", hint=HINT)
    return json.dumps(found).encode()


def _example(model: Path) -> Any:
    """A body with the first row of the input example; None where there is none."""
    folder = loading.find(model)
    if folder is None:
        return None
    kept = kept_example(folder)
    if isinstance(kept, dict) and "data" in kept:
        first = kept["data"][:1]
        if not kept.get("columns"):
            return {"data": first}
        return {"input_data": {"columns": kept["columns"], "data": first}}
    return {"data": kept[:1]} if isinstance(kept, list) and kept else None
