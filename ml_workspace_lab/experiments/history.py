"""A run's series as they are now: what the store has, and what journals hold beyond that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_workspace_lab.experiments import points, series_store
from ml_workspace_lab.experiments.points import Points
from ml_workspace_lab.storage import chunks, journal_reader
from ml_workspace_lab.storage.chunks import Columns
from ml_workspace_lab.storage.database import Database, Queries

MANY = 65_536
"""A longer series may be sampled from its previews."""

ATTEMPTS = 10
"""How often journals are read again that were folded while they were read."""

Tail = dict[str, list[Points]]


@contextmanager
def opened(database: Database, run: int, folder: Path) -> Iterator["History"]:
    """The series of a run at one moment."""
    for attempt in range(ATTEMPTS):
        before = journal_reader.journals(folder)
        with database.read() as queries:
            tail = _tail(folder, series_store.marks(queries, run), last=attempt == ATTEMPTS - 1)
            gone = set(before) - set(journal_reader.journals(folder))
            if tail is not None and (not gone or attempt == ATTEMPTS - 1):
                yield History(queries, run, tail)
                return


class History:
    """The series of one run, as one snapshot of the store and of the journals has them."""

    def __init__(self, queries: Queries, run: int, tail: Tail) -> None:
        self._queries = queries
        self._run = run
        self._tail = tail

    def names(self) -> list[str]:
        return sorted({*series_store.names(self._queries, self._run), *self._tail})

    def columns(self, name: str) -> Columns:
        """All points of a series by their times; of one moment, as they were logged."""
        return self._columns(name, series_store.bodies)

    def reduced(self, name: str, wanted: int) -> Columns:
        """The points of a series, or enough of a long one's to choose `wanted` from."""
        key = series_store.key(self._queries, name)
        long = key is not None and series_store.count(self._queries, self._run, key) > MANY
        source = series_store.previews if long and wanted <= MANY // 32 else series_store.bodies
        return self._columns(name, source)

    def bodies(self, name: str) -> list[bytes]:
        """All points of a series as chunks, in the order in which they were logged."""
        return [
            *self._stored(name, series_store.bodies),
            *map(points.encode, self._tail.get(name, [])),
        ]

    def _columns(self, name: str, source: Callable[[Queries, int, int], list[bytes]]) -> Columns:
        found: list[Points] = [chunks.decode(body) for body in self._stored(name, source)]
        found += self._tail.get(name, [])
        return points.in_order(points.as_columns(points.joined(found or [points.empty()])))

    def _stored(self, name: str, source: Callable[[Queries, int, int], list[bytes]]) -> list[bytes]:
        key = series_store.key(self._queries, name)
        return [] if key is None else source(self._queries, self._run, key)


def _tail(folder: Path, marks: dict[str, int], *, last: bool) -> Tail | None:
    """What the journals hold beyond the marks; None where one was folded since those were read."""
    found: Tail = {}
    for journal in journal_reader.journals(folder):
        kept = marks.get(journal, 0)
        batch = journal_reader.read(folder, journal, kept, 1 << 40)
        if batch.first > kept and not last:
            return None
        for number, part in points.by_number(batch.records).items():
            found.setdefault(batch.names[number], []).append(part)
    return found
