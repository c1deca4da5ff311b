"""Logs until it is killed, and writes down how many calls have returned where it outlives it."""

import itertools
import mmap
import struct
from pathlib import Path

import channel
from adapters.base import Adapter
from data import logged

COUNTER = struct.Struct("<q")


def run(adapter: type[Adapter], location: str, counter: str) -> None:
    store = adapter(location)
    run = store.start_run()
    with Path(counter).open("r+b") as file, mmap.mmap(file.fileno(), 0) as calls:
        channel.say(run.id)
        for step in itertools.count():
            run.log("loss", logged(step), step)
            COUNTER.pack_into(calls, 0, step + 1)
