"""An ONNX graph that answers rows, in ONNX Runtime."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ml_workspace_lab import telemetry
from ml_workspace_lab.errors import InvalidInput

CPU = "CPUExecutionProvider"
KEY = "ml_workspace_lab"
"""Below it a compiled graph carries its notes among its own metadata."""

_KINDS = {
    "tensor(float)": "f4",
    "tensor(double)": "f8",
    "tensor(float16)": "f2",
    "tensor(int64)": "i8",
    "tensor(int32)": "i4",
    "tensor(bool)": "?",
    "tensor(string)": "O",
}


class Notes(Struct, frozen=True):
    """How a compiled graph stands for its model.

    `output`, and of that a `column` (None: all of it), is what the model answers, of the numpy type
    `dtype`, one value a row where it is `flat`. Rows with NaN or an infinity are refused where the
    model refuses them. `rows` are some that were tried (None is NaN), `answers` the model's own.
    """

    names: list[str]
    count: int | None
    output: str
    column: int | None
    dtype: str
    flat: bool
    takes_nan: bool
    takes_infinity: bool
    rows: list[list[float | None]]
    answers: list[Any]


def runtime() -> Any:
    """ONNX Runtime, told to report to nobody. Raises ImportError."""
    telemetry.switch_off(os.environ)
    import onnxruntime

    return onnxruntime


class Graph:
    """A graph in a session of ONNX Runtime. One that was compiled here has notes; of any other the
    first output is its answer."""

    def __init__(self, session: Any, refusals: type[Exception], notes: Notes | None) -> None:
        self.notes = notes
        self.outputs = [output.name for output in session.get_outputs()]
        self._session = session
        self._refusals = refusals
        self._inputs = [
            (given.name, _KINDS.get(given.type), len(given.shape)) for given in session.get_inputs()
        ]
        self._first = session.get_inputs()[0].shape if len(self._inputs) == 1 else None

    @classmethod
    def open(cls, path: Path, providers: Sequence[str] = (CPU,)) -> "Graph":
        """The graph of a file, with these execution providers in this order. Raises InvalidInput
        where one of them isn't there, or can't work, and ImportError without ONNX Runtime."""
        library = runtime()
        there = library.get_available_providers()
        if missing := [name for name in providers if name not in there]:
            raise InvalidInput(
                f"providers: {', '.join(missing)} can't be had from the ONNX Runtime that is"
                f" installed here, which offers {', '.join(there)}.",
                field="providers",
                hint="Each build of onnxruntime brings its own: onnxruntime-gpu has CUDA's.",
            )
        options = library.SessionOptions()
        # One request is scored at a time, and the other cores are other processes'.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = library.InferenceSession(str(path), options, providers=[*providers])
        if idle := [name for name in providers if name not in session.get_providers()]:
            raise InvalidInput(
                f"providers: {', '.join(idle)} can't work here, and ONNX Runtime left it out.",
                field="providers",
                hint="Its driver or its libraries may be missing; the log has more.",
            )
        told = session.get_modelmeta().custom_metadata_map.get(KEY)
        notes = msgspec.json.decode(told, type=Notes) if told else None
        return cls(session, library.capi.onnxruntime_pybind11_state.InvalidArgument, notes)

    @property
    def providers(self) -> list[str]:
        """Those that are at work."""
        return list(self._session.get_providers())

    @property
    def names(self) -> list[str]:
        """The columns that it takes; none where it goes by their places."""
        if self.notes is not None:
            return self.notes.names
        return [name for name, _, _ in self._inputs] if len(self._inputs) > 1 else []

    @property
    def count(self) -> int | None:
        """How many columns it takes; None where that is not known."""
        if self.notes is not None:
            return self.notes.count
        if self._first is None:
            return len(self._inputs)
        is_matrix = len(self._first) == 2 and isinstance(self._first[1], int)
        return self._first[1] if is_matrix else None

    def predict(self, rows: Any) -> Any:
        """The answer to rows: an array, or a data frame with its columns in their order. Raises
        ValueError where the graph, or the model that it stands for, does not take them."""
        if self.notes is None:
            return self.run(rows, self.outputs[:1])[0]
        [found] = self.run(rows, [self.notes.output], self.notes)
        return as_answer(found, self.notes.column, self.notes.dtype, flat=self.notes.flat)

    def run(self, rows: Any, outputs: Sequence[str], notes: Notes | None = None) -> list[Any]:
        """The outputs of these names, as they are."""
        fed = self._fed(rows)
        if notes is not None and not (notes.takes_nan and notes.takes_infinity):
            for values in fed.values():
                _check_finite(values, notes)
        try:
            found: list[Any] = self._session.run([*outputs], fed)
        except self._refusals as error:
            raise ValueError(str(error)) from None
        return found

    def _fed(self, rows: Any) -> dict[str, Any]:
        import numpy as np

        array = rows.to_numpy() if hasattr(rows, "to_numpy") else np.asarray(rows)
        if len(self._inputs) == 1:
            [(name, kind, _)] = self._inputs
            return {name: _cast(array, kind)}
        if array.ndim != 2 or array.shape[1] != len(self._inputs):
            raise ValueError(f"the rows don't have {len(self._inputs)} columns")
        return {
            name: _cast(array[:, [at]] if rank == 2 else array[:, at], kind)
            for at, (name, kind, rank) in enumerate(self._inputs)
        }


def as_answer(found: Any, column: int | None, dtype: str, *, flat: bool) -> Any:
    """An output in the form of the model's own answer. ValueError where it is of another kind."""
    part = found if column is None else found[:, column]
    if part.dtype.kind == "f" and not dtype.lstrip("<>=|").startswith("f"):
        raise ValueError("numbers are no labels")
    if flat:
        part = part.reshape(len(part))
    return part.astype(dtype)


def _cast(array: Any, kind: str | None) -> Any:
    """Values as an input takes them; ValueError where that would lose more than precision."""
    import numpy as np

    if kind is None or kind == "O":
        return array if kind is None else array.astype(object)
    if array.dtype.kind in "US":
        raise ValueError("texts are given where numbers are taken")
    with np.errstate(over="ignore"):  # to an infinity, which is looked for
        cast = array.astype(kind)
    if cast.dtype.kind in "ib" and array.dtype.kind not in "iub" and (cast != array).any():
        raise ValueError("whole numbers are taken, and others are given")
    return cast


def _check_finite(values: Any, notes: Notes) -> None:
    import numpy as np

    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    if not notes.takes_nan and np.isnan(values).any():
        raise ValueError("Input contains NaN.")
    if not notes.takes_infinity and np.isinf(values).any():
        raise ValueError(f"Input contains infinity or a value too large for {values.dtype}.")
