"""A digest of what is in memory: two things of one name are told from each other by it."""

import hashlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LIMIT = 100 * 10**6
"""Bytes up to which all of the content counts."""

OBJECT = 100
"""Bytes that a Python object is taken to have."""


def content_digest(thing: Any) -> str:
    """The SHA-256 of a data frame or series of pandas (with its index, columns and types), of an
    array of numpy (with its type and shape), or of what numpy reads as an array; equal content has
    an equal digest. "" for what can't be read so.

    Of more than 100 MB every n-th row of a frame (element of an array) counts, as many as there are
    in 100 MB, and the shape: a change that lies between them is not seen.
    """
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    try:
        if pandas is not None and isinstance(thing, pandas.Series):
            return _of_frame(thing.to_frame(), thing.shape)
        if pandas is not None and isinstance(thing, pandas.DataFrame):
            return _of_frame(thing, thing.shape)
        if numpy is not None and isinstance(thing, numpy.ndarray):
            return _of_array(thing)
        if hasattr(thing, "__array__") and 0 <= getattr(thing, "nbytes", LIMIT + 1) <= LIMIT:
            import numpy as np

            return _of_array(np.asarray(thing), getattr(thing, "columns", None))
    except Exception:  # noqa: BLE001 - whatever foreign objects do when they are asked
        return ""
    return ""


def _of_frame(frame: "pd.DataFrame", shape: tuple[int, ...]) -> str:
    import pandas as pd

    types = [str(one) for one in frame.dtypes]
    head = repr((shape, list(frame.columns), types, list(frame.index.names)))
    objects = len(frame) * sum(str(one) == "object" for one in types)
    size = int(frame.memory_usage(index=True).sum()) + OBJECT * objects
    sample = frame.iloc[:: _step(size)]
    try:
        content = pd.util.hash_pandas_object(sample, index=True).to_numpy().tobytes()
    except TypeError:  # There are lists or other things in it that have no hash.
        columns = [sample.iloc[:, at].tolist() for at in range(sample.shape[1])]
        content = _spelled([sample.index.tolist(), columns])
    return _sha256(head, content)


def _of_array(array: "np.ndarray[Any, Any]", columns: Any = None) -> str:
    import numpy as np

    head = repr((array.shape, str(array.dtype), None if columns is None else list(columns)))
    each = OBJECT if array.dtype.hasobject else array.itemsize
    step = _step(each * array.size)
    sample = np.ascontiguousarray(array if step == 1 else array.flat[::step]).reshape(-1)
    if array.dtype.hasobject:
        return _sha256(head, _spelled(sample.tolist()))
    return _sha256(head, sample.tobytes())


def _step(size: int) -> int:
    return max(1, -(-size // LIMIT))


def _spelled(values: list[Any]) -> bytes:
    return repr(values).encode(errors="surrogatepass")


def _sha256(head: str, content: bytes) -> str:
    digest = hashlib.sha256(head.encode(errors="surrogatepass"))
    digest.update(content)
    return digest.hexdigest()
