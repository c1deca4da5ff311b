"""Tables as Arrow's IPC streams, for batches that JSON is slow for."""

import struct
from typing import Any

from ml_workspace_lab.endpoints.scoring.call import BadInput, Reply

ARROW = "application/vnd.apache.arrow.stream"
_HEADER_TYPE, _HEADER = 1, 2
_DICTIONARY, _BATCH = 2, 3
_DATA_OF_DICTIONARY, _COMPRESSION_OF_BATCH = 1, 3


def read(body: bytes) -> Any:
    """The data frame of a stream. Raises BadInput where it is not one, does not hold together, or
    is compressed: a few bytes could fill the memory then."""
    import pyarrow

    try:
        for message in pyarrow.ipc.MessageReader.open_stream(body):
            if _is_compressed(message.metadata.to_pybytes()):
                raise BadInput("The Arrow stream is compressed; send it without compression.")
        with pyarrow.ipc.open_stream(body) as stream:
            table = stream.read_all()
        table.validate(full=True)
        return table.to_pandas()
    except (pyarrow.ArrowException, struct.error, OSError, ValueError, TypeError) as error:
        raise BadInput(f"The body is no Arrow stream: {error}") from None


def reply(answer: Any) -> Reply:
    """Predictions as a stream: one column `predictions`, or the columns that they have. Raises
    ValueError where they are no table."""
    import numpy
    import pyarrow

    if hasattr(answer, "columns"):
        table = pyarrow.Table.from_pandas(answer, preserve_index=False)
    else:
        array = numpy.asarray(answer)
        if array.ndim == 1:
            table = pyarrow.table({"predictions": array})
        elif array.ndim == 2:
            table = pyarrow.table({str(i): array[:, i] for i in range(array.shape[1])})
        else:
            raise ValueError(f"predictions of {array.ndim} dimensions are no table")
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return Reply(sink.getvalue().to_pybytes(), headers=[("Content-Type", ARROW)])


def _is_compressed(message: bytes) -> bool:
    """Whether the metadata of a message, a flatbuffer, says that its body is compressed."""
    root = _Table.at(message, 0)
    kind = root.place(_HEADER_TYPE)
    header = root.place(_HEADER)
    if kind is None or header is None or message[kind] not in (_DICTIONARY, _BATCH):
        return False
    batch = _Table.at(message, header)
    if message[kind] == _DICTIONARY:
        data = batch.place(_DATA_OF_DICTIONARY)
        if data is None:
            return False
        batch = _Table.at(message, data)
    return batch.place(_COMPRESSION_OF_BATCH) is not None


class _Table:
    """A table of a flatbuffer: it begins with the way back to the list of its fields' places."""

    def __init__(self, message: bytes, start: int) -> None:
        self._message, self._start = message, start
        (back,) = struct.unpack_from("<i", message, start)
        self._fields = start - back
        (self._size,) = struct.unpack_from("<H", message, self._fields)

    @classmethod
    def at(cls, message: bytes, place: int) -> "_Table":
        """The table that the offset at a place leads to."""
        (way,) = struct.unpack_from("<I", message, place)
        return cls(message, place + way)

    def place(self, field: int) -> int | None:
        """Where a field's value is; None where it was left out."""
        entry = 4 + 2 * field
        if entry >= self._size:
            return None
        (offset,) = struct.unpack_from("<H", self._message, self._fields + entry)
        return self._start + offset if offset else None
