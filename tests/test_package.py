"""The package as a whole: its names, its weight, what it brings along."""

import re
import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement

import ml_workspace_lab

HEAVY = {
    "IPython", "jupyter_client", "jupyter_server", "matplotlib", "nbclient", "nbformat", "numpy",
    "pandas", "plotly", "psutil", "psycopg", "pyarrow", "sklearn", "sqlalchemy", "tornado",
    "zstandard",
}  # fmt: skip
LOGGING = """
import sys, tempfile
from ml_workspace_lab import Workspace
ws = Workspace.create("lab", tempfile.mkdtemp() + "/store")
with ws.experiment("e").start_logging() as run:
    run.log("loss", 1)
print(*sorted(sys.modules))
"""


def loaded(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after this code."""
    words = [sys.executable, "-c", code]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in ended.stdout.split()}


def test_what_is_exported_is_what_is_listed() -> None:
    assert ml_workspace_lab.__all__ == sorted(ml_workspace_lab.__all__)
    for name in ml_workspace_lab.__all__:
        assert getattr(ml_workspace_lab, name).__name__ == name
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", ml_workspace_lab.__version__)
    with pytest.raises(AttributeError):
        _ = ml_workspace_lab.Nothing


def test_importing_and_logging_load_nothing_heavy() -> None:
    assert not loaded("import sys, ml_workspace_lab; print(*sys.modules)") & HEAVY
    assert not loaded(LOGGING) & HEAVY


def test_the_environment_gains_at_most_twelve_packages() -> None:
    ours = closure("ml_workspace_lab") - closure("jupyterlab") - {"ml-workspace-lab"}
    assert len(ours) <= 12, ours
    assert {"msgspec", "pathspec"} <= ours, "else this finds nothing"


def closure(name: str) -> set[str]:
    """The distribution and all that it requires here, extras left out."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if current in found:
            continue
        found.add(current)
        for line in metadata.requires(current) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found
