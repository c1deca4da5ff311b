"""Reads the file of an offline run of Weights & Biases: blocks of 32 KiB with parts of records, as
in a log of LevelDB, each record a protobuf message."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEADER = 7
BLOCK = 32 * 1024
PART = struct.Struct("<IHB")
FULL, LAST = 1, 4


def history(file: Path, name: str) -> tuple[list[Any], list[Any]]:
    """Steps and values of a metric, in order."""
    from wandb.proto.wandb_internal_pb2 import Record

    steps, values = [], []
    for message in records(file.read_bytes()):
        record = Record.FromString(message)
        if record.WhichOneof("record_type") != "history":
            continue
        row = {(i.key or "/".join(i.nested_key)): i.value_json for i in record.history.item}
        if name in row:
            steps.append(record.history.step.num)
            values.append(json.loads(row[name]))
    return steps, values


def records(content: bytes) -> Iterator[bytes]:
    """Each whole record; a last one that was cut off is left out."""
    at, parts = HEADER, b""
    while at < len(content):
        left = BLOCK - at % BLOCK
        if left < PART.size:
            at += left
            continue
        if at + PART.size > len(content):
            return
        _, length, kind = PART.unpack_from(content, at)
        at += PART.size
        if kind == 0 or at + length > len(content):
            return
        parts += content[at : at + length]
        at += length
        if kind in (FULL, LAST):
            yield parts
            parts = b""
