"""Whole series of metrics as numpy's arrays: written at once, read back, read as a sample."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.client.values import warn_of_clock
from ml_workspace_lab.errors import InvalidInput, NotFound
from ml_workspace_lab.experiments.points import in_order
from ml_workspace_lab.storage.chunks import Columns, decode
from ml_workspace_lab.storage.database import now
from ml_workspace_lab.storage.journal import following

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import ArrayLike, NDArray

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class MetricHistory:
    """The values of a metric by their times: arrays of equal length, times in milliseconds since
    1970-01-01 UTC."""

    name: str
    steps: "NDArray[int64]"
    times: "NDArray[int64]"
    values: "NDArray[float64]"

    def __len__(self) -> int:
        return len(self.values)


def history(
    connection: Connection, run_id: str, name: str, points: int | None = None
) -> MetricHistory:
    """All values of a metric, or at most `points` that look as all of them do.

    Raises NotFound where the run has no such metric.
    """
    import numpy as np

    content = connection.metrics.columns(run_id, name, points).read()
    parts: list[Columns] = []
    at = 0
    while at < len(content):
        (length,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        parts.append(decode(content[at : at + length]))
        at += length
    if not parts:
        raise NotFound(f"Run {run_id} has no metric {name!r}.", field="name")
    columns = parts[0]
    if len(parts) > 1:
        columns = Columns(
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.values for part in parts]),
        )
    return MetricHistory(name, *in_order(columns))


def put(
    connection: Connection,
    run_id: str,
    name: str,
    values: "ArrayLike",
    steps: "Sequence[int] | NDArray[int64] | None",
    times: "Sequence[int] | NDArray[int64] | None",
) -> int | None:
    """Add many values at once: steps count on from the metric's last one, times are now, where none
    are given. The greatest step, None where there is no value. Raises InvalidInput where lengths
    differ or a value is no number."""
    import numpy as np

    column = _column("values", values, np.dtype("<f8"))
    count = len(column)
    if not count:
        return None
    if steps is None:
        known = connection.runs.get(run_id).metrics.get(name)
        begin = following(known.last_step) if known else 0
        following(begin + count - 2)  # the last of them is one of 64 bits
        steps = np.arange(begin, begin + count, dtype="<i8")
    whole = _column("steps", steps, np.dtype("<i8"))
    moments = _column("times", np.full(count, now()) if times is None else times, np.dtype("<i8"))
    for field, given in (("steps", whole), ("times", moments)):
        if len(given) != count:
            raise InvalidInput(f"{field}: {len(given)} of them for {count} values.", field=field)
    warn_of_clock(int(moments.max()), stacklevel=4)
    raw = b"".join(part.tobytes() for part in (whole, moments, column))
    connection.metrics.put_columns(run_id, name, content=BytesIO(raw))
    return int(whole.max())


def _column(field: str, given: Any, kind: Any) -> "NDArray[Any]":
    import numpy as np

    try:
        found = np.asarray(given)
        if found.ndim != 1 or found.dtype.kind not in ("biuf" if kind.kind == "f" else "iu"):
            raise ValueError
        if kind.kind == "i" and found.dtype.kind == "u" and found.max(initial=0) >= 2**63:
            raise ValueError
        return found.astype(kind)
    except (ValueError, TypeError):
        what = "numbers" if kind.kind == "f" else "whole numbers of 64 bits"
        raise InvalidInput(
            f"{field}: must be a list or one-dimensional array of {what}.", field=field
        ) from None
