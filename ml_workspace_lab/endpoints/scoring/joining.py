"""Rows of several requests put to the model at once, and its answers taken apart again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.endpoints.scoring.payload import encode, encode_plain, listed
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.request import Request
from ml_workspace_lab.endpoints.scoring.responses import FINE_LINE, JSON_LINE
from ml_workspace_lab.endpoints.scoring.turns import Outcome, attempt

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.score import ScoringPage

PROOFS = 3
"""How often the answers to joined requests are compared with those to each, until they count."""
MOST_PROVED = 4
MOST = 1024
MAX_FAILURES = 3
_TYPES = {float: "float64", int: "int64", bool: "bool"}
_KINDS = {float: "f", int: "i", bool: "b", str: "O"}


class AskedRows:
    """A request whose rows wait for their turn. Its `key` is the type that they have as an array,
    or those of their columns as a data frame: rows of one key have the same types together as they
    have alone."""

    arrived = 0.0

    def __init__(
        self,
        page: "ScoringPage",
        request: Request,
        predictor: Predictor,
        values: list[list[Any]],
    ) -> None:
        self.page = page
        self.request = request
        self.values = values
        self.rows = len(values)
        self.size = request.size
        self.key: object = _types(values, by_column=bool(predictor.model.names))
        self._predictor = predictor

    @property
    def is_gone(self) -> bool:
        return self.request.is_gone

    def predict(self) -> Any:
        return self._predictor.predict(self._predictor.matrix(self.values))

    def work(self) -> bytes:
        return encode(self.page.shown(self.predict()))

    def settle(self, done: Any, milliseconds: float) -> None:
        took = f"x-ms-run-fn-exec-ms: {milliseconds:.3f}\r\n"
        self.request.answer(200, FINE_LINE + JSON_LINE + took, done)

    def fail(self, error: Exception) -> None:
        self.page.fail(self.request, error)


class Joining:
    """Does the work of several requests as one. The first times it is done both ways; where the
    answers differ, or several fail together of which none fails alone, no more are joined."""

    def __init__(self, predictor: Predictor) -> None:
        self.most = MOST_PROVED
        self.joined = 0
        """How many requests were answered with others."""
        self.calls = 0
        """By how many calls."""
        self._predictor = predictor
        self._proofs = PROOFS
        self._failures = 0

    def together(self, jobs: Sequence[AskedRows]) -> list[Outcome]:
        """The answers as bytes, or what each raises by itself."""
        try:
            if self._proofs:
                return self._prove(jobs)
            answers = self._joined(jobs)
        except Exception:  # noqa: BLE001 - each request is told what is wrong with it
            outcomes = [attempt(job) for job in jobs]
            if all(error is None for _, error in outcomes):
                self._failed()
            return outcomes
        self.joined += len(jobs)
        self.calls += 1
        return [(answer, None) for answer in answers]

    def _joined(self, jobs: Sequence[AskedRows]) -> list[bytes]:
        plain = listed(self._predict(jobs, []))
        answers, start = [], 0
        for job in jobs:
            end = start + job.rows
            answers.append(encode_plain(job.page.shown(plain[start:end])))
            start = end
        return answers

    def _predict(self, jobs: Sequence[AskedRows], more: list[list[Any]]) -> Any:
        """The predictions as an array. Raises ValueError where the rows have other types together,
        or there is not one prediction for each."""
        import numpy

        rows = [row for job in jobs for row in job.values] + more
        matrix = self._predictor.matrix(rows)
        if not _has_types(matrix, jobs[0].key):
            raise ValueError("together the rows have other types")
        found = self._predictor.predict(matrix)
        if not isinstance(found, numpy.ndarray) or found.ndim == 0 or len(found) != len(rows):
            raise ValueError("there is not one prediction for each row")
        return found

    def _prove(self, jobs: Sequence[AskedRows]) -> list[Outcome]:
        first = jobs[0].values
        alike = all(job.values == first for job in jobs)
        together = self._predict(jobs, [_other(first[0])] if alike else [])
        outcomes: list[Outcome] = []
        start, agree = 0, True
        for job in jobs:
            alone = job.predict()
            agree = agree and _agree(alone, together[start : start + job.rows])
            start += job.rows
            outcomes.append((encode(job.page.shown(alone)), None))
        if agree:
            self._proofs -= 1
            self.most = MOST_PROVED if self._proofs else MOST
        else:
            self._give_up("its answer to a row depends on the rows beside it")
        return outcomes

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            self._give_up("it does not take them together")

    def _give_up(self, why: str) -> None:
        self.most = 1
        print(f"The model gets the rows of one request at a time: {why}.", flush=True)  # noqa: T201


def _types(values: list[list[Any]], *, by_column: bool) -> object:
    """The type that rows have as an array, or that each of their columns has; None where that is
    not told by Python's types alone."""
    if not by_column:
        kinds = {kind for row in values for kind in map(type, row)}
        return _common(kinds) if kinds <= _TYPES.keys() else None
    if len(values) == 1:
        columns = tuple(map(type, values[0]))
    else:
        columns = tuple(_common(set(map(type, column))) for column in zip(*values, strict=True))
    return columns if all(kind in _KINDS for kind in columns) else None


def _common(kinds: set[type]) -> Any:
    if len(kinds) == 1:
        return next(iter(kinds))
    if str in kinds or not kinds <= _TYPES.keys():
        return None
    return float if float in kinds else int


def _has_types(matrix: Any, key: Any) -> bool:
    if isinstance(key, tuple):
        return [dtype.kind for dtype in matrix.dtypes] == [_KINDS[kind] for kind in key]
    return bool(matrix.dtype == _TYPES[key])


def _other(row: list[Any]) -> list[Any]:
    """A row unlike this one, of the same types."""
    return [value if isinstance(value, bool | str) else value + 1 for value in row]


def _agree(alone: Any, together: Any) -> bool:
    """Whether predictions are equal, numbers up to their rounding."""
    import numpy

    alone = numpy.asarray(alone)
    if alone.shape != together.shape or alone.dtype != together.dtype:
        return False
    if alone.dtype.kind != "f":
        return bool(numpy.array_equal(alone, together))
    scale = float(numpy.abs(alone).max(initial=0))
    return bool(numpy.allclose(alone, together, rtol=1e-4, atol=1e-6 * scale, equal_nan=True))
