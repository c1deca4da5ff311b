"""What TensorBoard's event files tell: scalars, texts, images, hyper-parameters."""

import struct
from collections import Counter
from collections.abc import Iterator

from msgspec import Struct, field

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.points import Arrays, empty
from ml_workspace_lab.transfer.protobuf import Value, fields, integer, numbers, part, signed, text

_HPARAMS = "_hparams_/"
LATEST = 2.0**53
"""Seconds before and after 1970 that a time can have."""
_SIZES = 2
"""Texts before the pictures of an images tensor: their width and height."""

_CODES = {
    1: "f",
    2: "d",
    3: "i",
    4: "B",
    5: "h",
    6: "b",
    9: "q",
    10: "?",
    19: "e",
    22: "I",
    23: "Q",
}
"""TensorFlow's types of numbers, as `struct` spells them."""
_LISTS = {5: "f", 6: "d"}
_VARINTS = (7, 10, 11, 16, 17)


class Picture(Struct, frozen=True):
    tag: str
    step: int
    index: int
    content: bytes


class Told(Struct):
    """What the files of one run tell. `others` counts what has no place here, by plugin."""

    metrics: dict[str, Arrays] = field(default_factory=dict)
    texts: dict[tuple[str, int], str] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)
    params: dict[str, Scalar] = field(default_factory=dict)
    failed: bool = False
    others: Counter[str] = field(default_factory=Counter)
    first: float | None = None
    last: float | None = None
    plugins: dict[str, str] = field(default_factory=dict)


def tell(event: bytes, told: Told) -> None:
    """Take up one event. Raises InvalidInput on what is none, or has no time."""
    try:
        _tell(event, told)
    except (struct.error, IndexError, ValueError, OverflowError):
        raise InvalidInput("An event is damaged.") from None


def _tell(event: bytes, told: Told) -> None:
    wall, step, summary = 0.0, 0, b""
    for number, value in fields(event):
        if number == 1 and isinstance(value, bytes):
            (wall,) = struct.unpack("<d", value)
        elif number == 2 and isinstance(value, int):
            step = signed(value)
        elif number == 5 and isinstance(value, bytes):
            summary = value
        elif number in (4, 9):
            told.others["graphs"] += 1
        elif number == 8:
            told.others["run metadata"] += 1
    time = _milliseconds(wall)
    if not -(1 << 63) <= step < 1 << 63:
        raise InvalidInput(f"An event has the step {step}.")
    if wall:  # An event without a time says nothing of when the run was.
        told.first = wall if told.first is None else min(told.first, wall)
        told.last = wall if told.last is None else max(told.last, wall)
    for number, value in fields(summary):
        if number == 1 and isinstance(value, bytes):
            _tell_value(value, step, time, told)


def _milliseconds(wall: float) -> int:
    if not -LATEST < wall < LATEST:
        raise InvalidInput(f"An event has the time {wall}.")
    return round(wall * 1000)


def _tell_value(message: bytes, step: int, time: int, told: Told) -> None:
    given = dict(fields(message))
    tag = _bytes(given, 1).decode("utf-8", "replace")
    plugin_data = part(_bytes(given, 9), 1)
    if name := text(plugin_data, 1):
        told.plugins.setdefault(tag, name)
    plugin = told.plugins.get(tag, "")
    if tag.startswith(_HPARAMS) or plugin == "hparams":
        _tell_hparams(part(plugin_data, 2), told)
    elif 2 in given:
        _add_scalar(told, tag, numbers(_bytes(given, 2), "f")[0], step, time)
    elif 4 in given:
        told.pictures.append(Picture(tag, step, 0, part(_bytes(given, 4), 4)))
    elif 8 not in given:
        told.others[
            {5: "histograms", 6: "audio"}.get(next(iter(given.keys() - {1, 7, 9}), 0), "others")
        ] += 1
    elif plugin in ("scalars", ""):
        found = _numbers(_bytes(given, 8))
        if len(found) == 1:
            _add_scalar(told, tag, found[0], step, time)
        else:
            told.others["tensors"] += 1
    elif plugin == "text":
        told.texts[tag, step] = "\n\n".join(
            one.decode("utf-8", "replace") for one in _strings(_bytes(given, 8))
        )
    elif plugin == "images":
        for index, content in enumerate(_strings(_bytes(given, 8))[_SIZES:]):
            told.pictures.append(Picture(tag, step, index, content))
    else:
        told.others[plugin] += 1


def _add_scalar(told: Told, tag: str, value: float, step: int, time: int) -> None:
    steps, times, values = told.metrics.setdefault(tag, empty())
    steps.append(step)
    times.append(time)
    values.append(value)


def _tell_hparams(content: bytes, told: Told) -> None:
    for number, entry in fields(part(content, 3)):
        if number == 1 and isinstance(entry, bytes):
            told.params[text(entry, 1)] = _scalar(part(entry, 2))
    # 2 is SUCCESS, 3 is FAILURE.
    told.failed = told.failed or integer(part(content, 4), 1) == 3


def _scalar(message: bytes) -> Scalar:
    for number, value in fields(message):
        if number == 2 and isinstance(value, bytes):
            return numbers(value, "d")[0]
        if number == 3 and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if number == 4:
            return bool(value)
    return None


def _numbers(tensor: bytes) -> list[float]:
    """The numbers of a tensor; none where it holds others than numbers."""
    found: list[float] = []
    kind = integer(tensor, 1)
    for number, value in fields(tensor):
        if number == 4 and isinstance(value, bytes) and kind in _CODES:
            found += numbers(value, _CODES[kind])
        elif number in _LISTS and isinstance(value, bytes):
            found += numbers(value, _LISTS[number])
        elif number in _VARINTS:
            found += [float(one) for one in _integers(value)]
    return found


def _integers(value: Value) -> Iterator[int]:
    """One integer, or several that are packed together."""
    if isinstance(value, int):
        yield signed(value)
        return
    # Packed integers look like the keys of fields whose values were left out.
    number = shift = 0
    for byte in value:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield signed(number)
            number = shift = 0


def _strings(tensor: bytes) -> list[bytes]:
    return [value for number, value in fields(tensor) if number == 8 and isinstance(value, bytes)]


def _bytes(given: dict[int, Value], number: int) -> bytes:
    value = given.get(number, b"")
    return value if isinstance(value, bytes) else b""
