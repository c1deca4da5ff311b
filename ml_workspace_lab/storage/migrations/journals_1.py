"""Reading the journals of the first release: what a run had logged lay in them alone.

A record is 32 bytes: mark, number of the name (u32 each), step, time in ms (i64 each), value (f64),
in the machine's order. Names are lines of JSON in a file beside it.
"""

import json
import struct
from array import array
from pathlib import Path

_RECORD = struct.Struct("<IIqqd")
_MARK = 0x314A574D  # "MWJ1"

Columns = tuple["array[int]", "array[int]", "array[float]"]


def read(folder: Path) -> dict[str, Columns]:
    """Steps, times and values of each metric below `folder`, in the order in which they came."""
    found: dict[str, Columns] = {}
    for path in sorted(folder.glob("*.journal")):
        names = _names(path.with_suffix(".keys"))
        content = path.read_bytes()
        whole = len(content) - len(content) % _RECORD.size  # a killed writer may leave a part
        for mark, number, step, time, value in _RECORD.iter_unpack(content[:whole]):
            if mark == _MARK and number < len(names):
                name = names[number]
                if name not in found:
                    found[name] = array("q"), array("q"), array("d")
                steps, times, values = found[name]
                steps.append(step)
                times.append(time)
                values.append(value)
    return found


def _names(path: Path) -> list[str]:
    """The names up to the last whole line: what follows was never used."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]
