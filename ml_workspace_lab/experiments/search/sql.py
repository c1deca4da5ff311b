"""What SQL is made of here: bound values, and where SQLite and PostgreSQL differ."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Protocol

from ml_workspace_lab.experiments.search.expression import Pattern
from ml_workspace_lab.storage import patterns, regular
from ml_workspace_lab.storage.database import Database
from ml_workspace_lab.storage.sqlite import SqliteDatabase

FALSE = "1 = 0"
TRUE = "1 = 1"

SHORT_LIST = 32
"""Values up to which each has a mark: the time that SQLite and psycopg take for marks grows with
the square of their number, so a longer list is bound as one."""


NUMBER = r"^[+-]?([0-9]{1,200}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$"
"""A text that is a number, of a size that a double has."""


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

    def among(self, column: str, values: Sequence[Any], bindings: Bindings) -> str:
        """That a column is one of texts, or one of numbers; false where there are none."""

    def matches(self, text: str, operator: Pattern, pattern: str, bindings: Bindings) -> str:
        """That a text is like a pattern: ILIKE takes upper and lower case for one, and RLIKE takes
        a regular expression."""

    def number(self, text: str) -> str:
        """The number that a text reads as; NULL where it is none."""

    def joined(self, number: str) -> str:
        """An aggregate: the numbers of a column as text, with commas, in the order of the rows."""


class Sqlite:
    apart: ClassVar[str] = ""

    def bytewise(self, text: str) -> str:
        return text

    def unindexed(self, column: str) -> str:
        return f"+{column}"

    def among(self, column: str, values: Sequence[Any], bindings: Bindings) -> str:
        if len(values) <= SHORT_LIST:
            return _each(column, values, bindings)
        if isinstance(values[0], str):
            listed = json.dumps(list(values))
            return f"{column} IN (SELECT value FROM json_each({bindings.mark(listed)}))"
        # As text: SQLite's own reading of a decimal may be off by the last bit.
        listed = json.dumps([repr(v) if isinstance(v, float) else v for v in values])
        return f"{column} IN (SELECT exact_number(value) FROM json_each({bindings.mark(listed)}))"

    def matches(self, text: str, operator: Pattern, pattern: str, bindings: Bindings) -> str:
        fold = operator == "ILIKE"
        if operator == "RLIKE":
            return f"is_found({text}, {bindings.mark(pattern)})"
        if len(pattern) > patterns.SHORT:
            return f"is_like({text}, {bindings.mark(pattern)}, {fold:d})"
        parts = patterns.pattern(pattern)
        alike = patterns.forms(parts) if fold else {}
        return f"{text} GLOB {bindings.mark(patterns.glob(parts, alike))}"

    def number(self, text: str) -> str:
        return f"CASE WHEN is_found({text}, '{NUMBER}') THEN CAST({text} AS REAL) END"

    def joined(self, number: str) -> str:
        return f"group_concat({number})"


class Postgresql:
    apart: ClassVar[str] = " OFFSET 0"

    def bytewise(self, text: str) -> str:
        return f'{text} COLLATE "C"'

    def unindexed(self, column: str) -> str:
        return column

    def among(self, column: str, values: Sequence[Any], bindings: Bindings) -> str:
        if len(values) <= SHORT_LIST:
            return _each(column, values, bindings)
        kinds = [[v for v in values if isinstance(v, kind)] for kind in (str, int, float)]
        parts = [f"{column} = ANY({bindings.mark(listed)})" for listed in kinds if listed]
        return f"({' OR '.join(parts)})"

    def matches(self, text: str, operator: Pattern, pattern: str, bindings: Bindings) -> str:
        if operator == "RLIKE":
            return f"{text} ~ {bindings.mark(regular.spelled(pattern))}"
        parts = patterns.pattern(pattern)
        alike = patterns.forms(parts) if operator == "ILIKE" else {}
        if changed := {form: lower for form, lower in alike.items() if form != lower}:
            forms, lowers = (bindings.mark("".join(each)) for each in (changed, changed.values()))
            text = f"translate({text}, {forms}, {lowers})"
        return f"{text} LIKE {bindings.mark(patterns.like(parts, alike))} ESCAPE '\\'"

    def number(self, text: str) -> str:
        return f"CASE WHEN {text} ~ '{NUMBER}' THEN CAST({text} AS double precision) END"

    def joined(self, number: str) -> str:
        return f"string_agg({number}::text, ',')"


def _each(column: str, values: Sequence[Any], bindings: Bindings) -> str:
    return f"{column} IN ({bindings.marks(values) or 'NULL'})"


def dialect(database: Database) -> Dialect:
    return Sqlite() if isinstance(database, SqliteDatabase) else Postgresql()
