"""Whether a graph answers as its model does: equal labels, numbers within the tolerance, and no
answer where the model gives none."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ml_workspace_lab.models.compiled.graph import Graph, Notes, as_answer
from ml_workspace_lab.models.compiled.model import TOLERANCE
from ml_workspace_lab.models.compiled.rows import far, holes, near
from ml_workspace_lab.models.compiled.tables import as_taken
from ml_workspace_lab.models.flavors.loading import Loaded

KEPT_ROWS = 16
_ARRAYS = (list, tuple)


class Differs(Exception):
    """The graph may not stand for the model; the message says why."""


@dataclass
class Verified:
    """The rows that were compared, the largest difference between two numbers (None: there were
    none), and what the graph is to be told."""

    rows: int
    largest: float | None
    notes: Notes


def verify(loaded: Loaded, graph: Graph, real: Any) -> Verified:
    """Put rows to both. Raises Differs."""
    import numpy as np

    comparison = _Comparison(loaded, graph)
    form = comparison.form(real)
    comparison.answers("real", real, form)
    comparison.answers("perturbed", near(real), form)
    comparison.probabilities(np.concatenate([real, near(real)]))
    comparison.answers("far", far(real), form)
    takes_nan = comparison.holes("a missing value", holes(real, np.nan), form)
    takes_infinity = comparison.holes("an infinity", holes(real, np.inf), form)
    shown = real[:KEPT_ROWS]
    notes = Notes(
        names=loaded.names,
        count=real.shape[1],
        output=form.output,
        column=form.column,
        dtype=form.dtype,
        flat=form.flat,
        takes_nan=takes_nan,
        takes_infinity=takes_infinity,
        rows=shown.tolist(),
        answers=comparison.native(shown).tolist(),
    )
    return Verified(comparison.rows, comparison.largest, notes)


def repeated(graph: Graph, notes: Notes) -> float | None:
    """The largest difference between what a graph answers to the rows in its notes and what the
    model did. Raises Differs where that is too large, as it may be with other providers."""
    import numpy as np

    rows = np.asarray(notes.rows, "f8")
    return compared(np.asarray(notes.answers, notes.dtype), graph.predict(rows), "kept")


def compared(native: Any, other: Any, what: str) -> float | None:
    """The largest difference between two answers, None where they are labels. Raises Differs."""
    import numpy as np

    if native.shape != other.shape:
        raise Differs(f"its answers have the shape {other.shape}, the model's {native.shape}")
    if native.dtype.kind != "f":
        unlike = int((native != other).reshape(len(native), -1).any(axis=1).sum())
        if unlike:
            raise Differs(f"labels differ on {unlike} of {len(native)} {what} rows")
        return None
    if not np.array_equal(np.isfinite(native), np.isfinite(other)):
        raise Differs(f"numbers are finite on one side only, on {what} rows")
    finite = np.isfinite(native)
    gap = np.abs(native[finite] - other[finite]) / np.maximum(np.abs(native[finite]), 1)
    largest = float(gap.max(initial=0))
    if not largest <= TOLERANCE:
        raise Differs(
            f"numbers differ by up to {largest:.2g} on {what} rows, and {TOLERANCE:g} is allowed"
        )
    return largest


@dataclass(frozen=True)
class _Form:
    """Which of the outputs is what the model answers, and as what."""

    output: str
    column: int | None
    dtype: str
    flat: bool


class _Comparison:
    def __init__(self, loaded: Loaded, graph: Graph) -> None:
        self.rows = 0
        self.largest: float | None = None
        self._loaded = loaded
        self._graph = graph

    def native(self, rows: Any) -> Any:
        return _asked(self._loaded.predict, as_taken(rows, self._loaded.names))

    def form(self, rows: Any) -> _Form:
        """The first output, or column of one, that has the model's answers."""
        native = self._required(rows, "real")
        reason: Differs | None = None
        for output, found in zip(self._graph.outputs, self._run(rows), strict=True):
            if isinstance(found, _ARRAYS):
                continue  # maps, one for each row: nothing that the model answers
            columns = [None, *(range(found.shape[1]) if found.ndim == 2 else [])]
            for column in columns:
                form = _Form(output, column, native.dtype.str, native.ndim == 1)
                try:
                    compared(native, self._formed(found, form), "real")
                except (Differs, ValueError) as error:
                    reason = reason or (error if isinstance(error, Differs) else None)
                else:
                    return form
        raise reason or Differs("none of its outputs is what the model answers")

    def answers(self, what: str, rows: Any, form: _Form) -> None:
        """Raise Differs where the answers do, or where the model refuses what the graph takes."""
        native = self._required(rows, what)
        found = compared(native, self._answer(rows, form), what)
        self.rows += len(rows)
        self._widen(found)

    def probabilities(self, rows: Any) -> None:
        """Compare those too, where both give them, though the model answers with labels."""
        ask = getattr(self._loaded.model, "predict_proba", None)
        if ask is None or len(self._graph.outputs) < 2:
            return
        found = self._run(rows)[1]
        if not isinstance(found, _ARRAYS):
            native = _asked(ask, as_taken(rows, self._loaded.names))
            if native.shape == found.shape:
                self._widen(compared(native.astype("f8"), found.astype("f8"), "real"))

    def holes(self, what: str, rows: Any, form: _Form) -> bool:
        """Whether the model takes rows with these values. Raises Differs where the answers do, or
        where it takes some and refuses others."""
        native = [self._tried(rows[[at]]) for at in range(len(rows))]
        if all(one is None for one in native):
            return False
        if any(one is None for one in native):
            raise Differs(f"the model takes {what} in some columns and refuses it in others")
        import numpy as np

        compared(np.concatenate(native), self._answer(rows, form), f"holed ({what})")
        self.rows += len(rows)
        return True

    def _required(self, rows: Any, what: str) -> Any:
        try:
            return self.native(rows)
        except ValueError as error:
            raise Differs(f"the model refuses some {what} rows: {_short(error)}") from None

    def _tried(self, row: Any) -> Any:
        try:
            return self.native(row)
        except ValueError:
            return None

    def _answer(self, rows: Any, form: _Form) -> Any:
        return self._formed(self._run(rows, [form.output])[0], form)

    def _formed(self, found: Any, form: _Form) -> Any:
        return as_answer(found, form.column, form.dtype, flat=form.flat)

    def _run(self, rows: Any, outputs: list[str] | None = None) -> list[Any]:
        try:
            return self._graph.run(rows, outputs or self._graph.outputs)
        except Exception as error:  # noqa: BLE001 - of ONNX Runtime's own kinds
            raise Differs(f"ONNX Runtime can't work it out: {_short(error)}") from None

    def _widen(self, found: float | None) -> None:
        if found is not None:
            self.largest = max(found, self.largest or 0.0)


def _asked(ask: Callable[[Any], Any], rows: Any) -> Any:
    import numpy as np

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return np.asarray(ask(rows))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
