"""What can still be read of a damaged SQLite file, row by row."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

_LAST = 2**63 - 1


class Salvaged(NamedTuple):
    """Rows of a table that were saved, rows that were not for what they belong to is lost, and
    where others may be missing: (first, last) of row numbers, or of runs."""

    rows: int
    orphans: int
    gaps: list[tuple[int, int]]


def salvage(damaged: sqlite3.Connection, target: sqlite3.Connection) -> dict[str, Salvaged]:
    """Copy every row that can be read into an empty database of the same schema.

    An experiment or a model that is lost is made anew, with a name that says so, where something of
    it is left.
    """
    names = [
        row[0]
        for row in target.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]
    target.execute("PRAGMA foreign_keys=OFF")
    with target:
        found = {name: _table(damaged, target, name) for name in names}
        for parent in ("experiment", "model"):
            _stand_in(target, parent)
        orphans = _drop_orphans(target, names)
    return {
        name: Salvaged(rows - orphans[name], orphans[name], gaps)
        for name, (rows, gaps) in found.items()
    }


def _table(
    damaged: sqlite3.Connection, target: sqlite3.Connection, table: str
) -> tuple[int, list[tuple[int, int]]]:
    """Copy the rows of a table; how many, and the gaps."""
    columns = [row[1] for row in target.execute(f'PRAGMA table_info("{table}")')]
    named = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" * len(columns))
    insert = f'INSERT OR IGNORE INTO "{table}" ({named}) VALUES ({marks})'  # noqa: S608
    by = "run" if _is_clustered(target, table) else "rowid"
    rows, gaps = 0, list[tuple[int, int]]()
    for item in _readable(damaged, table, f"{by}, {named}", by):
        if isinstance(item[0], tuple):
            gaps.append(item[0])
        else:
            rows += target.execute(insert, item[1:]).rowcount
    return rows, gaps


def _is_clustered(target: sqlite3.Connection, table: str) -> bool:
    """Whether the table has no row numbers."""
    try:
        target.execute(f'SELECT rowid FROM "{table}" LIMIT 1')  # noqa: S608
    except sqlite3.OperationalError:
        return True
    return False


def _readable(
    damaged: sqlite3.Connection, table: str, columns: str, by: str
) -> Iterator[tuple[object, ...]]:
    """The rows that can be read by rising `by`; ((first, last),) stands for a gap."""
    start = -_LAST
    while True:
        last = start
        rows = damaged.execute(
            f'SELECT {columns} FROM "{table}" WHERE {by} >= ? ORDER BY {by}',  # noqa: S608
            (start,),
        )
        try:
            for row in rows:
                last = row[0] + 1
                yield row
            return
        except sqlite3.DatabaseError:
            following = _next_readable(damaged, table, by, last)
            # The rows of one run have one number: the gap may begin inside the last run.
            yield ((last - 1 if by == "run" else last, following - 1),)
            if following > _LAST:
                return
            start = following


def _next_readable(damaged: sqlite3.Connection, table: str, by: str, start: int) -> int:
    """The least number after `start` from which a row can be read; beyond all where none can."""

    def works(number: int) -> bool:
        sql = f'SELECT * FROM "{table}" WHERE {by} >= ? ORDER BY {by} LIMIT 1'  # noqa: S608
        with suppress(sqlite3.DatabaseError):
            damaged.execute(sql, (number,)).fetchall()
            return True
        return False

    low, step = start, 1
    while not works(min(low + step, _LAST)):
        if low + step >= _LAST:
            return _LAST + 1
        step *= 2
    low, high = low + step // 2, min(low + step, _LAST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def _stand_in(target: sqlite3.Connection, parent: str) -> None:
    """Make parents that are lost anew, where children are left."""
    child = {"experiment": "run", "model": "model_version"}[parent]
    missing = target.execute(
        f"SELECT {parent} AS id, max({'number' if child == 'run' else 'version'}) AS last,"  # noqa: S608
        f" count(*) AS rows, min(created) AS created FROM {child}"
        f" WHERE {parent} NOT IN (SELECT id FROM {parent}) GROUP BY {parent}"
    ).fetchall()
    for number, last, rows, created in missing:
        name = f"recovered-{number}"
        if parent == "experiment":
            target.execute(
                "INSERT INTO experiment (id, uid, name, description, created, updated, runs, live)"
                " VALUES (?, ?, ?, 'Its record was lost.', ?, ?, ?, ?)",
                (number, f"{number:032x}", name, created, created, last, rows),
            )
        else:
            target.execute(
                "INSERT INTO model (id, name, description, created, updated, last_version)"
                " VALUES (?, ?, 'Its record was lost.', ?, ?, ?)",
                (number, name, created, created, last),
            )


def _drop_orphans(target: sqlite3.Connection, names: list[str]) -> dict[str, int]:
    """Remove rows that refer to what is lost; how many of each table."""
    dropped = dict.fromkeys(names, 0)
    is_clean = False
    while not is_clean:
        is_clean = True
        for table in names:
            for key in target.execute(f'PRAGMA foreign_key_list("{table}")').fetchall():
                parent, column = key[2], key[3]
                ended = target.execute(
                    f'DELETE FROM "{table}" WHERE "{column}" NOT IN (SELECT id FROM "{parent}")'  # noqa: S608
                )
                dropped[table] += ended.rowcount
                is_clean = is_clean and ended.rowcount == 0
    return dropped
