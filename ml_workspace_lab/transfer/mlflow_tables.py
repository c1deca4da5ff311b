"""The tables of an MLflow database, as any release of it has them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ml_workspace_lab.storage.marks import marks_of
from ml_workspace_lab.transfer.report import NotMapped

Query = Callable[..., Iterator[Any]]
"""Rows of a statement with named parameters: by name, or by place where they are `plain`.
Texts that are not UTF-8 are bytes where the query is `lenient`, and an error elsewhere."""

_LENIENT = {"params": "parameter", "tags": "tag", "metadata": "metadata"}
"""How the names of tables end whose texts need not be UTF-8, and what each row of them is."""
NOT_UTF_8 = "It can't be read: it is not UTF-8."


class Tables:
    """Reads tables; those that a release hasn't got are empty. `unread` has what was left out, each
    thing once however often it was read."""

    def __init__(self, query: Query, names: set[str]) -> None:
        self._query = query
        self._names = names
        self.unread: dict[tuple[str, str], NotMapped] = {}

    def leave_out(self, what: str, which: str, reason: str) -> None:
        self.unread[what, which] = NotMapped(what, which, reason)

    def rows(
        self, table: str, column: str = "", values: Sequence[Any] | None = None, order: str = ""
    ) -> Iterator[Mapping[str, Any]]:
        """The rows of a table (with one of these values); none where there is no such table."""
        if table not in self._names:
            return
        sql, named = f"SELECT * FROM {table}", dict[str, Any]()  # noqa: S608
        if values is not None:
            marks, named = marks_of(values)
            sql += f" WHERE {column} IN ({marks})"
        lenient = table.endswith(tuple(_LENIENT))
        yield from self._query(f"{sql} ORDER BY {order}" if order else sql, named, lenient=lenient)

    def by(
        self, table: str, column: str, values: Sequence[Any], order: str = ""
    ) -> dict[Any, list[Mapping[str, Any]]]:
        """The rows with one of these values, by the value."""
        found: dict[Any, list[Mapping[str, Any]]] = {}
        for row in self.rows(table, column, values, order):
            found.setdefault(row[column], []).append(row)
        return found

    def pairs(
        self,
        table: str,
        owner: str,
        ids: Sequence[Any] | None = None,
        key: str = "key",
        value: str = "value",
    ) -> dict[Any, dict[str, str]]:
        """The names and values of a table, by their owner."""
        found: dict[Any, dict[str, str]] = {}
        for row in self.rows(table, owner, ids):
            if self.is_text(table, row[owner], row[key], row[value]):
                found.setdefault(row[owner], {})[row[key]] = row[value] or ""
        return found

    def is_text(self, table: str, owner: object, key: object, value: object) -> bool:
        """Whether a name and its value are; what is left out is told."""
        if not isinstance(key, bytes) and not isinstance(value, bytes):
            return True
        name = key.decode(errors="replace") if isinstance(key, bytes) else key
        what = next(what for end, what in _LENIENT.items() if table.endswith(end))
        self.leave_out(what, f"{owner}/{name}", NOT_UTF_8)
        return False

    def ids(self, what: str, sql: str, *needed: str, **named: Any) -> list[str]:
        """The texts that a statement selects; none where there is no such table as it needs."""
        found = []
        for (one,) in self._select(sql, needed, named):
            if isinstance(one, bytes):
                self.leave_out(what, one.decode(errors="replace"), NOT_UTF_8)
            else:
                found.append(one)
        return found

    def count(self, table: str) -> int:
        found = self._select(f"SELECT count(*) FROM {table}", (table,), {})  # noqa: S608
        return sum(row[0] for row in found)

    def without_owner(
        self, table: str, column: str, owners: str, key: str
    ) -> Iterator[tuple[object, int]]:
        """Values of a column that no row of the owners has as its key, and how many rows have
        each."""
        sql = (
            f"SELECT c.{column}, count(*) FROM {table} c LEFT JOIN {owners} o"  # noqa: S608
            f" ON o.{key} = c.{column} WHERE o.{key} IS NULL GROUP BY c.{column}"
        )
        yield from self._select(sql, (table, owners), {})

    def _select(
        self, sql: str, needed: Sequence[str], named: Mapping[str, Any]
    ) -> Iterator[tuple[Any, ...]]:
        if self._names.issuperset(needed):
            yield from self._query(sql, named, plain=True, lenient=True)
