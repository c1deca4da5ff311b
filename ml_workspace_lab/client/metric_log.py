"""The way of a metric from the user's code into the workspace, and back."""

import math
import operator
import time
from typing import Any, Protocol

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.api.types import Int64, Key, number_from_wire
from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.experiments.model import MetricSeriesList


class MetricWriter(Protocol):
    """Where points go: a journal of this machine, or a server."""

    def append(self, key: str, step: int | None, time: int, value: float) -> None: ...

    def close(self) -> None: ...


class Writers(Protocol):
    """What can make a writer for a run: a connection."""

    def metric_writer(self, run_id: str) -> MetricWriter: ...


class MetricLog:
    """The metrics that one process logs to one run."""

    def __init__(self, connection: Writers, run_id: str) -> None:
        self._connection = connection
        self._run_id = run_id
        self._writer: MetricWriter | None = None
        self._known: set[str] = set()
        self._closed = False

    def log(self, name: str, value: float, step: int | None) -> None:
        if name not in self._known:
            self._admit(name)
        if step is not None:
            step = _step(step)
        number = _number(name, value)
        assert self._writer is not None
        self._writer.append(name, step, time.time_ns() // 1_000_000, number)

    def close(self) -> None:
        self._closed = True
        self._known.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _admit(self, name: str) -> None:
        """Check a name the first time that it comes, and open the way for the first of them."""
        if self._closed:
            raise Conflict(
                f"Run {self._run_id} has ended and takes no more metrics.",
                hint="Start a new run.",
            )
        try:
            convert(name, Key)
        except InvalidInput as error:
            raise InvalidInput(f"name: {error.message}", field="name") from None
        if self._writer is None:
            self._writer = self._connection.metric_writer(self._run_id)
        self._known.add(name)


def metric_values(found: MetricSeriesList) -> dict[str, Any]:
    """By name: the one value, or the list of values where there are more."""
    values = {one.name: [number_from_wire(v) for v in one.values] for one in found.items}
    return {name: many[0] if len(many) == 1 else many for name, many in values.items()}


def _number(name: str, value: Any) -> float:
    if not isinstance(value, str | bytes):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
        except OverflowError:
            reason = "is beyond what a double can hold"
            raise InvalidInput(f"{name}: {reason}.", field="value") from None
    raise InvalidInput(
        f"{name}: {type(value).__name__} is not a number.",
        field="value",
        hint="Use log_list for several values, log_param or tag for text.",
    )


def _step(step: Any) -> int:
    try:
        return convert(operator.index(step), Int64)
    except (TypeError, InvalidInput):
        whole = isinstance(step, float) and math.isfinite(step) and step.is_integer()
        raise InvalidInput(
            f"step: {step!r} is not a whole number of 64 bits.",
            field="step",
            hint=f"Use {int(step)}." if whole else None,
        ) from None
