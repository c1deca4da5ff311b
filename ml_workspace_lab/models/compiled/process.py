"""Compiling a model in a process of its own: what converters need is gone from memory with it, and
one that hangs or crashes takes nobody along."""

import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import msgspec

from ml_workspace_lab.models.compiled.conversion import EXTRA, packages
from ml_workspace_lab.models.compiled.model import GRAPH, Verdict

VERDICT = "verdict.json"
LIMIT_SECONDS = 45.0
ERROR_STREAM = 2


def compile_apart(
    folder: Path, target: Path, environment: Mapping[str, str], data: Path | None = None
) -> Verdict:
    """Whether a graph may stand for the model of a folder; if so it is in `target` then, with the
    verdict. What goes wrong is a verdict against it, too."""
    if missing := [name for name in ("onnxruntime", "skl2onnx") if find_spec(name) is None]:
        return Verdict(kept=False, reason=f"{missing[0]} is not installed: {EXTRA}.")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    words = [sys.executable, "-m", "ml_workspace_lab.models.compiled", str(folder), str(target)]
    if data is not None:
        words.append(str(data))
    (target / VERDICT).unlink(missing_ok=True)
    try:
        ended = subprocess.run(
            words,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=ERROR_STREAM,  # what a command prints on the other is its answer
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _failed(target, f"compiling it took more than {LIMIT_SECONDS:.0f} s.")
    found = read(target)
    if found is None:
        return _failed(target, f"the process that compiled it ended with {ended.returncode}.")
    return found


def read(target: Path) -> Verdict | None:
    """The verdict in a folder; None where there is none, or one against a graph that other versions
    of the libraries might be able to make."""
    try:
        found = msgspec.json.decode((target / VERDICT).read_bytes(), type=Verdict)
    except FileNotFoundError:
        return None
    if found.kept:
        return found if (target / GRAPH).is_file() else None
    return found if found.packages == packages() else None


def _failed(target: Path, reason: str) -> Verdict:
    (target / GRAPH).unlink(missing_ok=True)
    return Verdict(kept=False, reason=reason)
