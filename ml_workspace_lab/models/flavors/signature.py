"""What a model takes and gives, told from an example: MLflow's signature, and the example kept.

Sources: MLflow's `ModelSignature` and `Schema` as they stand in MLmodel files.
"""

import json
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput

EXAMPLE, MOST_ROWS = "input_example.json", 5


def of(example: Any, answer: Any) -> dict[str, Any]:
    """The `signature` of an MLmodel file: inputs of an example, outputs of what the model made of
    it (None: not tried)."""
    outputs = None if answer is None else json.dumps(_schema(answer, "output"))
    return {"inputs": json.dumps(_schema(example, "input")), "outputs": outputs, "params": None}


def keep_example(example: Any, folder: Path) -> dict[str, Any]:
    """Write the first rows of an example where MLflow looks for it; what MLmodel says of it."""
    if _is_frame(example):
        shown = json.loads(example.head(MOST_ROWS).to_json(orient="split", index=False))
        found = {"artifact_path": EXAMPLE, "type": "dataframe", "pandas_orient": "split"}
    else:
        import numpy as np

        shown = np.asarray(example)[:MOST_ROWS].tolist()
        found = {"artifact_path": EXAMPLE, "type": "ndarray"}
    (folder / EXAMPLE).write_text(json.dumps(shown), encoding="utf-8")
    return found


def _is_frame(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns")


def _schema(data: Any, what: str) -> list[dict[str, Any]]:
    if _is_frame(data):
        return [
            {"type": _column_type(data[name], what), "name": str(name), "required": True}
            if not data[name].isna().any()
            else {"type": _nullable(data[name], what), "name": str(name), "required": False}
            for name in data.columns
        ]
    import numpy as np

    array = np.asarray(data)
    if array.ndim == 0 or array.dtype.kind not in "biufSU":
        raise InvalidInput(
            f"input_example: an {what} of the type {type(data).__name__} has no signature.",
            field="input_example",
            hint="Give a data frame, or an array of numbers or texts with a row for each input.",
        )
    kind = "str" if array.dtype.kind in "SU" else str(array.dtype)
    spec = {"dtype": kind, "shape": [-1, *array.shape[1:]]}
    return [{"type": "tensor", "tensor-spec": spec}]


def _nullable(column: Any, what: str) -> str:
    """Whole numbers that may be missing are doubles: NaN is no whole number."""
    kind = _column_type(column.dropna(), what)
    return "double" if kind in ("integer", "long") else kind


def _column_type(column: Any, what: str) -> str:
    kind, size = column.dtype.kind, getattr(column.dtype, "itemsize", 8)
    if kind == "b":
        return "boolean"
    if kind in "iu":
        return "integer" if size < 4 or (size == 4 and kind == "i") else "long"
    if kind == "f":
        return "float" if size <= 4 else "double"
    if kind == "M":
        return "datetime"
    if all(isinstance(value, str) for value in column):
        return "string"
    raise InvalidInput(
        f"input_example: the column {column.name!r} of the {what} has values of mixed types.",
        field="input_example",
        hint="Make it numbers, texts, truth values or times.",
    )
