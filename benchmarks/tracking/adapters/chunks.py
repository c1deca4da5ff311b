"""The floor on disk: SQLite with compressed chunks of points and a row per attribute of a run.

It checks nothing, and what is logged reaches the disk when the run ends.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from data import KIND, THRESHOLD, Row, Series

from adapters.base import Adapter

POINTS = 4096
SCHEMA = """
pragma journal_mode = wal;
create table chunk (run integer, key text, n integer, body blob);
create index chunk_key on chunk (run, key);
create table run (id integer primary key, doc text, m00 real, m01 real, p00 text);
create index run_best on run (p00, m01 desc, m00);
"""


class ChunksRun:
    """A run whose points are kept until it ends."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.number = db.execute("insert into run (doc) values ('')").lastrowid
        self.id = str(self.number)
        self.points: dict[str, tuple[list[float], list[int]]] = {}

    def log(self, name: str, value: float, step: int) -> None:  # noqa: ARG002 - it is the place
        kept = self.points.get(name)
        if kept is None:
            kept = self.points[name] = ([], [])
        kept[0].append(value)
        kept[1].append(time.time_ns() // 1_000_000)

    def log_series(self, series: Mapping[str, Series]) -> None:
        self.points.update((name, (one.values, one.times)) for name, one in series.items())

    def finish(self) -> None:
        self.db.executemany("insert into chunk values (?, ?, ?, ?)", self.encoded())
        self.db.commit()

    def encoded(self) -> Iterator[tuple[Any, ...]]:
        for name, (values, times) in self.points.items():
            for start in range(0, len(values), POINTS):
                part = values[start : start + POINTS], times[start : start + POINTS]
                yield self.number, name, len(part[0]), encode(*part)


class Chunks(Adapter):
    """The least that a store on disk can cost."""

    name = "floor-chunks"
    venv = "floor"
    most: ClassVar = {"kill": 0, "neighbour": 0}

    @classmethod
    @contextmanager
    def prepare(cls, folder: Path) -> Iterator[str]:
        sqlite3.connect(folder / "store.db").executescript(SCHEMA)
        yield str(folder / "store.db")

    def __init__(self, location: str) -> None:
        self.db = sqlite3.connect(location, timeout=60)
        self.db.execute("pragma synchronous = normal")

    def start_run(self) -> ChunksRun:
        run = ChunksRun(self.db)
        self.db.commit()
        return run

    def history(self, run_id: str, name: str) -> tuple[Any, Any]:
        import numpy as np

        sql = "select n, body from chunk where run = ? and key = ? order by rowid"
        parts = [decode(n, body) for n, body in self.db.execute(sql, (int(run_id), name))]
        values = np.concatenate(parts)
        return np.arange(len(values)), values

    def sample(self, run_id: str, name: str, points: int) -> tuple[Any, Any]:
        import numpy as np

        steps, values = self.history(run_id, name)
        width = len(values) // (points // 2)
        buckets = values[: len(values) // width * width].reshape(-1, width)
        starts = np.arange(len(buckets)) * width
        lowest, highest = starts + buckets.argmin(axis=1), starts + buckets.argmax(axis=1)
        chosen = np.unique(np.concatenate([lowest, highest]))
        return steps[chosen], values[chosen]

    def load_runs(self, rows: Sequence[Row]) -> None:
        import json

        self.db.executemany(
            "insert into run (doc, m00, m01, p00) values (?, ?, ?, ?)",
            (
                (json.dumps(row), row.metrics["m00"], row.metrics["m01"], row.params["p00"])
                for row in rows
            ),
        )
        self.db.commit()

    def pages(self, size: int) -> Iterator[list[Any]]:
        last = 1 << 62
        sql = "select id, doc from run where id < ? order by id desc limit ?"
        while page := self.db.execute(sql, (last, size)).fetchall():
            yield page
            last = page[-1][0]

    def best(self, limit: int) -> list[Any]:
        sql = "select doc from run where p00 = ? and m00 > ? order by m01 desc limit ?"
        return self.db.execute(sql, (KIND, THRESHOLD, limit)).fetchall()

    def count(self) -> int:
        sql = "select count(*) from run where p00 = ? and m00 > ?"
        return int(self.db.execute(sql, (KIND, THRESHOLD)).fetchone()[0])

    def close(self) -> None:
        self.db.close()


def encode(values: list[float], times: list[int]) -> bytes:
    """Values as single precision with their bytes sorted by place, times as differences."""
    import numpy as np
    import zstandard

    shuffled = np.array(values, np.float32).view(np.uint8).reshape(-1, 4).T.tobytes()
    steps = np.diff(np.array(times), prepend=times[0])
    return zstandard.compress(shuffled + steps.astype(np.uint16).tobytes(), 1)


def decode(n: int, body: bytes) -> Any:
    import numpy as np
    import zstandard

    shuffled = np.frombuffer(zstandard.decompress(body), np.uint8, 4 * n).reshape(4, n)
    return np.ascontiguousarray(shuffled.T).view(np.float32).ravel().astype(np.float64)
