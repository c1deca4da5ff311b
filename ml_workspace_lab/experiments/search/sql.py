"""What SQL is made of here: bound values, and where SQLite and PostgreSQL differ."""

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

from ml_workspace_lab.experiments.search import patterns
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.storage.sqlite import SqliteDatabase

FALSE = "1 = 0"
TRUE = "1 = 1"


class Bindings:
    """The values of a statement, by the names of its marks."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def mark(self, value: Any) -> str:
        """The mark that stands for a value."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def marks(self, values: Iterable[Any]) -> str:
        return ", ".join(self.mark(value) for value in values)


class Dialect(Protocol):
    apart: ClassVar[str]
    """What ends a subquery that is to be asked for one row at a time, and not joined."""

    def bytewise(self, text: str) -> str:
        """A text that is put in order by its characters' codes."""

    def unindexed(self, column: str) -> str:
        """A column that no index is to be chosen for."""

    def matches(self, text: str, pattern: str, bindings: Bindings, *, fold: bool) -> str:
        """That a text is like a pattern; `fold` takes upper and lower case for one."""

    def joined(self, number: str) -> str:
        """An aggregate: the numbers of a column as text, with commas, in the order of the rows."""


class Sqlite:
    apart: ClassVar[str] = ""

    def bytewise(self, text: str) -> str:
        return text

    def unindexed(self, column: str) -> str:
        return f"+{column}"

    def matches(self, text: str, pattern: str, bindings: Bindings, *, fold: bool) -> str:
        parts = patterns.pattern(pattern)
        alike = patterns.forms(parts) if fold else {}
        return f"{text} GLOB {bindings.mark(patterns.glob(parts, alike))}"

    def joined(self, number: str) -> str:
        return f"group_concat({number})"


class Postgresql:
    apart: ClassVar[str] = " OFFSET 0"

    def bytewise(self, text: str) -> str:
        return f'{text} COLLATE "C"'

    def unindexed(self, column: str) -> str:
        return column

    def matches(self, text: str, pattern: str, bindings: Bindings, *, fold: bool) -> str:
        parts = patterns.pattern(pattern)
        alike = patterns.forms(parts) if fold else {}
        if changed := {form: lower for form, lower in alike.items() if form != lower}:
            forms, lowers = (bindings.mark("".join(each)) for each in (changed, changed.values()))
            text = f"translate({text}, {forms}, {lowers})"
        return f"{text} LIKE {bindings.mark(patterns.like(parts, alike))} ESCAPE '\\'"

    def joined(self, number: str) -> str:
        return f"string_agg({number}::text, ',')"


def dialect(database: Database) -> Dialect:
    return Sqlite() if isinstance(database, SqliteDatabase) else Postgresql()
