"""Compiling a model's folder: convert, compare, time, and keep the graph where it is right and
faster. The model is opened, so this is for a process that scores, or its user's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.compiled import tables
from ml_workspace_lab.models.compiled.conversion import (
    FLOAT32,
    FLOAT64,
    NotConverted,
    converted,
    packages,
)
from ml_workspace_lab.models.compiled.graph import KEY, Graph, Notes
from ml_workspace_lab.models.compiled.model import GRAPH, TOLERANCE, Speed, Verdict
from ml_workspace_lab.models.compiled.tables import NoRows, as_taken
from ml_workspace_lab.models.compiled.timing import BATCH, of_length, speeds
from ml_workspace_lab.models.compiled.verification import Differs, Verified, verify
from ml_workspace_lab.models.flavors import loading
from ml_workspace_lab.models.flavors.loading import Loaded


@dataclass
class _Candidate:
    """A graph that answers as the model does."""

    precision: str
    graph: Graph
    verified: Verified


def compile_folder(folder: Path, target: Path, data: Path | None = None) -> Verdict:
    """Whether a graph may stand for the model of a folder with an MLmodel file; if so it is in
    `target` then. Raises whatever loading the model raises."""
    loaded = loading.load(folder)
    try:
        real = tables.real(folder, data, loaded.names, loaded.count)
        found = _first_right(loaded, real, target / GRAPH)
    except (NoRows, Differs, NotConverted) as reason:
        (target / GRAPH).unlink(missing_ok=True)
        return Verdict(kept=False, reason=f"{reason}.", packages=packages())
    one, batch = _speeds(loaded, found.graph, real)
    slower = [
        f"{what} took {speed.onnx:.0f} µs in ONNX Runtime and {speed.native:.0f} µs without"
        for what, speed in (("one row", one), (f"{BATCH} rows", batch))
        if speed.onnx >= speed.native
    ]
    if slower:
        (target / GRAPH).unlink(missing_ok=True)
    return Verdict(
        kept=not slower,
        reason=f"it is not faster: {' and '.join(slower)}." if slower else "verified and faster",
        rows=found.verified.rows,
        max_difference=found.verified.largest,
        tolerance=TOLERANCE,
        precision=found.precision,
        one_row=one,
        batch=batch,
        packages=packages(),
    )


def _first_right(loaded: Loaded, real: Any, path: Path) -> _Candidate:
    """The graph of the least precision that answers as the model does, written where it is said.
    Raises Differs or NotConverted with what was wrong with each."""
    reasons: dict[str, str] = {}
    for precision in (FLOAT32, FLOAT64):
        try:
            graph = converted(loaded.model, real.shape[1], precision)
            path.write_bytes(graph.SerializeToString())
            verified = verify(loaded, _opened(path), real)
        except (Differs, NotConverted) as reason:
            reasons[precision] = str(reason)
            continue
        _note(graph, verified.notes)
        path.write_bytes(graph.SerializeToString())
        return _Candidate(precision, _opened(path), verified)
    if len(set(reasons.values())) == 1:
        raise Differs(reasons[FLOAT32])
    raise Differs("; ".join(f"in {precision}: {reason}" for precision, reason in reasons.items()))


def _opened(path: Path) -> Graph:
    try:
        return Graph.open(path)
    except ImportError:
        raise NotConverted("onnxruntime is not installed") from None
    except InvalidInput:
        raise
    except Exception as error:  # noqa: BLE001 - of ONNX Runtime's own kinds
        raise NotConverted(f"ONNX Runtime can't open it: {str(error)[:200]}") from None


def _note(graph: Any, notes: Notes) -> None:
    graph.metadata_props.add(key=KEY, value=msgspec.json.encode(notes).decode())


def _speeds(loaded: Loaded, graph: Graph, real: Any) -> tuple[Speed, Speed]:
    one, batch = (
        speeds(loaded.predict, graph.predict, as_taken(of_length(real, length), loaded.names))
        for length in (1, BATCH)
    )
    return one, batch
