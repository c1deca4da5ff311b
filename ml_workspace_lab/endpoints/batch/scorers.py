"""Who answers mini-batches: a model alone, a deployment's script, a script for mini-batches."""

import json
import math
import os
from pathlib import Path
from typing import Any, Protocol

from ml_workspace_lab.endpoints.batch.model import COMPILED, SCORING_SCRIPT, Settings
from ml_workspace_lab.endpoints.batch.values import Block
from ml_workspace_lab.endpoints.model import ServedBy
from ml_workspace_lab.endpoints.scoring import azure, engines
from ml_workspace_lab.endpoints.scoring.call import Call
from ml_workspace_lab.endpoints.scoring.frames import unlike
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.script import Script
from ml_workspace_lab.errors import InvalidInput


class Answerer(Protocol):
    def answer(self, block: Block) -> Any:
        """What is answered to rows; whatever it raises is about one or more of them, but for
        InvalidInput, which is about all rows that there are."""
        ...


def load(settings: Settings, model: Path, work: Path) -> tuple[Answerer, ServedBy]:
    """Who answers, and what engine that is: the one that the deployment would have. Raises
    whatever loading the model, importing the script and `init()` raise, and InvalidInput where a
    graph is asked for that can't be had."""
    if settings.script == "batch":
        import pandas  # noqa: F401 - not within the time of the first mini-batch

        os.environ["AZUREML_MODEL_DIR"] = str(model)
        os.environ[azure.MODEL_NAME] = settings.model
        script = _BatchScript.open(work / SCORING_SCRIPT)
        return script, ServedBy("native", engines.BY_SCRIPT)
    found, served_by = engines.chosen(
        engines.Wanted(
            model,
            work / SCORING_SCRIPT if settings.script else None,
            work / COMPILED,
            settings.model,
            settings.engine,
            settings.providers,
        )
    )
    return _Model(found) if isinstance(found, Predictor) else _Online(found), served_by


class _Model:
    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def answer(self, block: Block) -> Any:
        model = self._predictor.model
        columns = block.columns
        if model.names:
            if not set(model.names) <= set(columns):
                raise InvalidInput(f"input: {unlike(list(columns), model.names)}", field="input")
            columns = {name: columns[name] for name in model.names}
        elif model.count is not None and len(columns) != model.count:
            raise InvalidInput(
                f"input: there are {len(columns)} columns; the model takes {model.count}.",
                field="input",
            )
        if model.names and model.wants_frame:
            return self._predictor.predict(_frame(columns))
        return self._predictor.predict(_array(columns))


class _Online:
    """A script as an endpoint has it: `run` is given a request's body with the rows in `data`, and
    its answer has one value for each."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._by_name = _wants_objects(script)

    def answer(self, block: Block) -> Any:
        names = list(block.columns)
        columns = [_listed(values) for values in block.columns.values()]
        rows: list[Any] = [list(row) for row in zip(*columns, strict=True)]
        if self._by_name:
            rows = [dict(zip(names, row, strict=True)) for row in rows]
        return self._script.answer(Call(json.dumps({"data": rows}, default=str).encode()))


class _BatchScript(Script):
    """A script whose `run(mini_batch)` is given a data frame with the rows' numbers as its
    index."""

    @classmethod
    def open(cls, path: Path) -> "_BatchScript":
        found = cls.load(path)
        assert isinstance(found, cls)
        return found

    def answer(self, block: Any) -> Any:
        return self._run(_frame(block.columns, block.rows))


def _frame(columns: dict[str, Any], index: list[int] | None = None) -> Any:
    import pandas

    return pandas.DataFrame(columns, index=index)


def _array(columns: dict[str, Any]) -> Any:
    import numpy

    arrays = list(columns.values())
    if any(array.dtype == object for array in arrays):
        arrays = [array.astype(object) for array in arrays]
    return numpy.column_stack(arrays)


def _listed(values: Any) -> list[Any]:
    """Values as JSON can have them: what is missing, NaN, is null."""
    return [None if _is_nan(value) else _own(value) for value in values]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _own(value: Any) -> Any:
    """numpy's values and arrays as Python's own."""
    return value.tolist() if hasattr(value, "tolist") else value


def _wants_objects(script: Script) -> bool:
    """Whether its schema says that the rows in `data` are objects."""
    schema = script.schemas.given
    items = schema.get("properties", {}).get("data", {}).get("items", {})
    return bool(items.get("type") == "object")
