"""The Jupyter kernels of this machine, found where jupyter_client looks, without its weight."""

import json
from pathlib import Path

from jupyter_core.paths import jupyter_path

PYTHON = "python3"


def kernel_names() -> frozenset[str]:
    """Names of installed kernel specs; `python3` is always there, being this interpreter's own."""
    found = {PYTHON}
    for folder in jupyter_path("kernels"):
        for spec in Path(folder).glob("*/kernel.json"):
            try:
                json.loads(spec.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            found.add(spec.parent.name)
    return frozenset(found)
