"""Points of one metric as compressed bytes, and back.

A chunk begins with a header: codec (u8), widths of steps, times and values (u8 each), count (u32),
first step and step delta, first time and time delta (i64 each; a delta where the width is 0). A raw
chunk (codec 0) goes on with the three columns as i64, i64, f64. A packed one (codec 1) has what is
not constant as differences of the least width that holds them, values as f32 where none of them
needs f64, all byte-shuffled and compressed by Zstandard. Everything is little-endian.
"""

import struct
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

from ml_workspace_lab.errors import InvalidInput

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

MAX_POINTS = 65_536
"""Points of one chunk at most."""

_HEADER = struct.Struct("<BBBBIqqqq")
_RAW, _PACKED = 0, 1
SMALL = 64
"""Below this many points a header and a compressor's own outweigh what is won."""


class Columns(NamedTuple):
    """Points in the order in which they were logged."""

    steps: "NDArray[int64]"
    times: "NDArray[int64]"
    values: "NDArray[float64]"

    def at(self, places: "slice | NDArray[int64]") -> "Columns":
        """The points at these places."""
        return Columns(self.steps[places], self.times[places], self.values[places])


def raw(steps: "array[int]", times: "array[int]", values: "array[float]") -> bytes:
    """A raw chunk, without numpy: of type codes q, q and d."""
    header = _HEADER.pack(_RAW, 8, 8, 8, len(steps), 0, 0, 0, 0)
    return b"".join((header, steps.tobytes(), times.tobytes(), values.tobytes()))


def unraw(body: bytes) -> "tuple[array[int], array[int], array[float]] | None":
    """The columns of a raw chunk, without numpy; None where the chunk is packed."""
    codec, _, _, _, count, *_ = _HEADER.unpack_from(body)
    if codec != _RAW:
        return None
    columns = array("q"), array("q"), array("d")
    at = _HEADER.size
    for column in columns:
        column.frombytes(body[at : at + 8 * count])
        at += 8 * count
    return columns


def encode(columns: Columns) -> bytes:
    """The chunk of at least one point."""
    import numpy as np

    count = len(columns.steps)
    if count < SMALL:
        header = _HEADER.pack(_RAW, 8, 8, 8, count, 0, 0, 0, 0)
        return header + b"".join(np.ascontiguousarray(c).tobytes() for c in columns)
    import zstandard

    step_width, step_delta, steps = _differences(columns.steps)
    time_width, time_delta, times = _differences(columns.times)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = columns.values.astype("<f4")
        # Bits, not values: a NaN with a payload, or -0.0, comes back as it was.
        exact = narrow.astype("<f8").view("<i8") == columns.values.view("<i8")
    values = narrow if exact.all() else columns.values
    header = _HEADER.pack(
        _PACKED,
        step_width,
        time_width,
        values.itemsize,
        count,
        int(columns.steps[0]),
        step_delta,
        int(columns.times[0]),
        time_delta,
    )
    # Steps and times are apart from values: who wants a range of steps need not unpack the rest.
    packed = zstandard.ZstdCompressor(level=1).compress(b"".join((steps, times, _shuffle(values))))
    return header + packed


def count(body: bytes) -> int:
    """How many points a chunk holds."""
    return int(_HEADER.unpack_from(body)[4])


def verify(body: bytes) -> None:
    """Raise InvalidInput where bytes from elsewhere are not a chunk."""
    import zstandard

    try:
        codec, sw, tw, vw, points, *_ = _HEADER.unpack_from(body)
        if codec not in (_RAW, _PACKED) or not 0 < points <= MAX_POINTS:
            raise ValueError("its header is no chunk's")
        expected, found = 24 * points, len(body) - _HEADER.size
        if codec == _PACKED:
            # Asked before: whoever unpacks trusts what the content says of its size.
            expected = (sw + tw) * (points - 1) + vw * points
            found = zstandard.frame_content_size(body[_HEADER.size :])
        if found != expected:
            raise ValueError("its length is not that of its points")
        decode(body)
    except (ValueError, TypeError, struct.error, zstandard.ZstdError) as error:
        raise InvalidInput(f"A chunk of a metric is damaged: {error}.", field="metrics") from None


def decode(body: bytes) -> Columns:
    import numpy as np

    codec, sw, tw, vw, count, step, step_delta, time, time_delta = _HEADER.unpack_from(body)
    if codec == _RAW:
        at = _HEADER.size
        steps = np.frombuffer(body, "<i8", count, at)
        times = np.frombuffer(body, "<i8", count, at + 8 * count)
        return Columns(steps, times, np.frombuffer(body, "<f8", count, at + 16 * count))
    import zstandard

    content = zstandard.ZstdDecompressor().decompress(
        memoryview(body)[_HEADER.size :], max_output_size=(sw + tw + vw) * count
    )
    at = sw * (count - 1)
    steps = _sums(step, sw, step_delta, content[:at], count)
    times = _sums(time, tw, time_delta, content[at : at + tw * (count - 1)], count)
    at += tw * (count - 1)
    values = _unshuffle(content[at:], f"<f{vw}", count)
    return Columns(steps, times, values.astype("<f8", copy=False))


def _differences(column: "NDArray[int64]") -> "tuple[int, int, bytes]":
    """Bytes of one difference, the one difference where all are equal, the shuffled differences."""
    import numpy as np

    with np.errstate(over="ignore"):
        found = np.diff(column)  # wraps around, as the sums do
    low, high = int(found.min()), int(found.max())
    if low == high:
        return 0, low, b""
    width = next(w for w in (1, 2, 4, 8) if -(1 << (8 * w - 1)) <= low and high < 1 << (8 * w - 1))
    return width, 0, _shuffle(found.astype(f"<i{width}"))


def _sums(first: int, width: int, delta: int, content: bytes, count: int) -> "NDArray[int64]":
    import numpy as np

    result = np.empty(count, np.int64)
    result[0] = first
    if width == 0:
        result[1:] = delta
    else:
        result[1:] = _unshuffle(content, f"<i{width}", count - 1)
    np.cumsum(result, out=result)
    return result


def _shuffle(column: "NDArray[Any]") -> bytes:
    """All first bytes, then all second ones: alike bytes side by side compress better."""
    return column.view("u1").reshape(len(column), -1).T.tobytes()


def _unshuffle(content: bytes, kind: str, count: int) -> "NDArray[Any]":
    import numpy as np

    width = np.dtype(kind).itemsize
    columns = np.frombuffer(content, "u1").reshape(width, count)
    return np.ascontiguousarray(columns.T).view(kind).reshape(count)
