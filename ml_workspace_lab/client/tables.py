"""Images, tables and parameters as they are kept: pure conversions with clear refusals."""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import InvalidInput

PNG = b"\x89PNG\r\n\x1a\n"


def image(path: str | Path | None, plot: Any) -> bytes:
    """PNG bytes of a file or of a matplotlib figure."""
    if (path is None) == (plot is None):
        raise InvalidInput("Give either path or plot.", field="path")
    if path is not None:
        return _png_file(Path(path))
    if not hasattr(plot, "savefig"):
        raise InvalidInput(
            f"plot: {type(plot).__name__} can't be saved as an image.",
            field="plot",
            hint="Give a matplotlib figure, or matplotlib.pyplot for the current one.",
        )
    buffer = io.BytesIO()
    plot.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def _png_file(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"path: {path}: {error.strerror}.", field="path") from None
    if not content.startswith(PNG):
        raise InvalidInput(
            f"path: {path} is not a PNG file.", field="path", hint="Use upload_file for others."
        )
    return content


def table(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """`{"columns": {name: values}}` as JSON; NaN and infinities travel as their names."""
    if not isinstance(columns, Mapping):
        raise InvalidInput("value: must be columns by name: {name: values}.", field="value")
    checked = {_column_name(name): _cells(name, values) for name, values in columns.items()}
    if len({len(values) for values in checked.values()}) > 1:
        lengths = ", ".join(f"{name}: {len(values)}" for name, values in checked.items())
        raise InvalidInput(f"value: the columns differ in length ({lengths}).", field="value")
    return json.dumps({"columns": checked}, allow_nan=False).encode()


def _column_name(name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidInput(f"value: the column name {name!r} is not text.", field="value")
    return name


def _cells(name: str, values: Any) -> list[Scalar]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidInput(f"value: the column {name!r} is not a list of values.", field="value")
    return [cell(value) for value in values]


def scalars(params: Mapping[str, Any]) -> dict[str, Scalar]:
    """Parameters as what JSON can hold: numpy's scalars become Python's."""
    if not isinstance(params, Mapping):
        raise InvalidInput("params: must be parameters by name: {name: value}.", field="params")
    return {name: cell(value, name) for name, value in params.items()}


def cell(value: Any, name: str = "value") -> Scalar:
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InvalidInput(
        f"{name}: {type(value).__name__} is not text, a number, a flag or None.",
        field=name,
        hint="Convert it, or keep it as a file with upload_file.",
    )
