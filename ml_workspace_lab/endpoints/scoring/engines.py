"""Which engine answers: the model's own library, or ONNX Runtime with a graph that was verified
against the model."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ml_workspace_lab.endpoints.folder import Deployment, GenerationFolder
from ml_workspace_lab.endpoints.model import Engine, ServedBy
from ml_workspace_lab.endpoints.scoring import scorer
from ml_workspace_lab.endpoints.scoring.columns import signature
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.scorer import Scorer
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.models.compiled import process, tables
from ml_workspace_lab.models.compiled.graph import CPU, Graph
from ml_workspace_lab.models.compiled.model import GRAPH, TOLERANCE
from ml_workspace_lab.models.compiled.tables import NoRows
from ml_workspace_lab.models.compiled.verification import Differs, compared, repeated
from ml_workspace_lab.models.flavors import loading
from ml_workspace_lab.storage.files import write_atomic

Chosen = tuple[Scorer, ServedBy]

BY_SCRIPT = "a scoring script loads the model"


@dataclass(frozen=True)
class Wanted:
    """What is to answer: the folder of a model with its `name`, or a script that loads it; the
    folder of its graph, and what is asked for. `compiles` has a graph made where nobody has tried
    to."""

    model: Path
    script: Path | None
    compiled: Path
    name: str
    engine: Engine = "auto"
    providers: Sequence[str] = ()
    compiles: bool = False


class NotServed(Exception):
    """ONNX Runtime can't serve the model; the message says why."""


def load(folder: GenerationFolder, deployment: Deployment) -> Scorer:
    """What answers requests; the folder tells which engine that is, from now on.

    Raises InvalidInput where ONNX Runtime was asked for and can't serve the model as it should, and
    whatever loading the model or the script raises.
    """
    found, served_by = chosen(
        Wanted(
            folder.model,
            folder.script if deployment.has_script else None,
            folder.compiled,
            deployment.model,
            deployment.engine,
            deployment.providers,
            compiles=True,
        )
    )
    write_atomic(folder.engine, msgspec.json.encode(served_by))
    return found


def chosen(wanted: Wanted) -> Chosen:
    """What answers, and why it does. Raises as `load` does."""
    if wanted.script is not None:
        found = scorer.load(wanted.model, wanted.script, wanted.name)
        return found, ServedBy("native", BY_SCRIPT)
    if _is_graph(wanted.model):
        return _registered(wanted)
    reason = "it was asked for"
    if wanted.engine != "native":
        try:
            return _compiled(wanted)
        except NotServed as refusal:
            reason = str(refusal)
            if wanted.engine == "onnx":
                raise InvalidInput(f"engine: ONNX Runtime can't serve it: {reason}") from None
    return scorer.load(wanted.model, None, wanted.name), ServedBy("native", reason)


def _is_graph(model: Path) -> bool:
    folder = loading.find(model)
    return loading.is_graph(folder) if folder is not None else bool(scorer.single_graph(model))


def _registered(wanted: Wanted) -> Chosen:
    """A model that was registered as a graph; with other providers than the processor it is
    compared with that."""
    found = scorer.load(wanted.model, None, wanted.name, wanted.providers)
    assert isinstance(found, Predictor)
    graph: Graph = found.model.model
    rows, largest = 0, None
    if any(name != CPU for name in wanted.providers):
        try:
            rows, largest = _beside_the_processor(wanted.model, found)
        except Differs as reason:
            raise InvalidInput(f"providers: {', '.join(graph.providers)}: {reason}.") from None
    served_by = ServedBy(
        "onnxruntime",
        "it was registered as a graph",
        graph.providers,
        rows,
        largest,
        TOLERANCE if rows else None,
    )
    return found, served_by


def _beside_the_processor(model: Path, found: Predictor) -> tuple[int, float | None]:
    """On how many rows of its example a graph answers as on the processor, and the largest
    difference; 0 where it has no example. Raises Differs."""
    import numpy as np

    loaded = found.model
    folder = loading.find(model)
    try:
        table = tables.example(folder) if folder is not None else None
    except NoRows:
        table = None
    if folder is None or table is None:
        return 0, None
    rows = tables.as_taken(table.rows, loaded.names)
    native, other = (np.asarray(one.predict(rows)) for one in (loading.load(folder), loaded))
    return len(table.rows), compared(native, other, "example")


def _compiled(wanted: Wanted) -> Chosen:
    """The model's graph. Raises NotServed."""
    model = loading.find(wanted.model)
    if model is None:
        raise NotServed("it has no MLmodel file")
    verdict = process.read(wanted.compiled)
    if verdict is None and not wanted.compiles:
        raise NotServed("it has not been compiled")
    if verdict is None:
        _check_example(model)
        verdict = process.compile_apart(model, wanted.compiled, os.environ)
    if not verdict.kept:
        raise NotServed(verdict.reason)
    try:
        loaded = loading.open_graph(wanted.compiled / GRAPH, wanted.providers)
        graph: Graph = loaded.model
        assert graph.notes is not None
        repeated(graph, graph.notes)
    except InvalidInput:
        raise
    except ModuleNotFoundError as error:
        raise NotServed(f"{error.name} is not installed") from None
    except ImportError as error:
        raise NotServed(f"onnxruntime can't be loaded: {error}") from None
    except Differs as difference:
        raise NotServed(f"with {', '.join(graph.providers)}: {difference}") from None
    except Exception as error:  # noqa: BLE001 - of ONNX Runtime's own kinds
        raise NotServed(f"the graph can't be opened: {error}") from None
    served_by = ServedBy(
        "onnxruntime",
        "its graph was verified and is faster",
        graph.providers,
        verdict.rows,
        verdict.max_difference,
        verdict.tolerance,
    )
    return Predictor(loaded, signature(model), is_row_wise=True), served_by


def _check_example(model: Path) -> None:
    """Raise NotServed where there is nothing to verify a graph with: no process is started then."""
    try:
        there = tables.example(model) is not None
    except NoRows as reason:
        raise NotServed(str(reason)) from None
    if not there:
        raise NotServed(
            "there are no rows to verify a graph with: register the model with an input_example, or"
            " compile it with data"
        )
