"""For loops over many things in a background process: the trouble with one stops no other."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

_told: dict[str, str] = {}


@contextmanager
def kept_apart(what: str) -> Iterator[None]:
    """Write down whatever the block raises, once for as long as it stays the same: a full disk
    must not be filled further by saying so five times a second."""
    try:
        yield
    except Exception:  # noqa: BLE001 - whatever it is, the others must go on
        trouble = traceback.format_exc()
        if _told.get(what) != trouble:
            _told[what] = trouble
            print(f"Trouble with {what}:\n{trouble}", file=sys.stderr, flush=True)  # noqa: T201
    else:
        _told.pop(what, None)
