"""What can be asked of a noun: its entities and attributes, and which values fit each."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, get_args

from msgspec import Struct

from ml_workspace_lab.experiments.search.expression import Comparison, Pattern, Term, Value
from ml_workspace_lab.storage import regular
from ml_workspace_lab.storage.patterns import MAX_LENGTH

FieldKind = Literal["text", "number", "time", "either"]
"""`time` is milliseconds, or written as an ISO date; `either` is a text that may be a number."""

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].+)?", re.DOTALL)
_SIZES = ("<", "<=", ">", ">=", "BETWEEN")


class Unfit(Exception):
    """A term that isn't known, or a value that doesn't fit; says in words why."""


class Field(Struct, frozen=True):
    name: str
    kind: FieldKind


class Attribute(Struct, frozen=True):
    """What can be said of every row of a noun: `sql` is its value, `others` are more spellings."""

    kind: FieldKind
    sql: str = ""
    others: tuple[str, ...] = ()


Attributes = Mapping[str, Attribute]


def fields(attributes: Attributes) -> dict[str, Field]:
    """The attributes by all their spellings."""
    return {
        spelling: Field(name, one.kind)
        for name, one in attributes.items()
        for spelling in (name, *one.others)
    }


def columns(attributes: Attributes) -> dict[str, str]:
    """The SQL of each attribute."""
    return {name: one.sql for name, one in attributes.items()}


def spellings(words: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Entities by the words for them."""
    return {word: entity for entity, them in words.items() for word in them}


class Vocabulary(Struct, frozen=True, eq=False):
    """A noun's entities: their spellings, those with fields of their own, and those with keys."""

    spellings: Mapping[str, str]
    fields: Mapping[str, Mapping[str, Field]]
    keyed: Mapping[str, FieldKind]
    measured: frozenset[str] = frozenset()
    """Entities that have several values, which functions choose from, and that may be NaN."""
    below: Mapping[str, str] = {}
    """How names begin that an entity has beside its fields: texts that rows may have or not."""

    def term(self, spelling: str, name: str) -> Term:
        """The term that is written so."""
        entity = self.spellings.get(spelling.lower())
        if entity is None:
            known = ", ".join(dict.fromkeys(self.spellings.values()))
            raise Unfit(f"{spelling!r} is none of {known}")
        if entity in self.keyed:
            if not name:
                raise Unfit(f"the name of the {entity} is missing")
            return Term(entity, name)
        field = self.fields[entity].get(name)
        if field is None and self._is_below(entity, name):
            return Term(entity, name)
        if field is None:
            known = ", ".join(sorted({one.name for one in self.fields[entity].values()}))
            raise Unfit(f"{name!r} is no {entity}; there are {known}")
        return Term(entity, field.name)

    def kind(self, term: Term) -> FieldKind:
        if term.entity in self.keyed:
            return self.keyed[term.entity]
        if self._is_below(term.entity, term.name):
            return "text"
        return next(one.kind for one in self.fields[term.entity].values() if one.name == term.name)

    def checked(self, comparison: Comparison) -> Comparison:
        """The comparison with its values as they are kept."""
        kind = self.kind(comparison.term)
        values = tuple(_fitting(kind, value) for value in comparison.values)
        texts = [isinstance(value, str) for value in values]
        if comparison.operator in get_args(Pattern):
            if kind in ("number", "time") or not all(texts):
                raise Unfit(f"{comparison.operator} is for texts, in quotes")
            if len(str(values[0])) > MAX_LENGTH:
                raise Unfit(f"a pattern has more than {MAX_LENGTH} characters")
            if comparison.operator == "RLIKE":
                _check_regular(str(values[0]))
        if comparison.term.entity not in self.measured and any(v != v for v in values):
            raise Unfit("NaN is a value of metrics alone")
        if comparison.operator in _SIZES and any(texts):
            raise Unfit("texts have no size to compare; write a number without quotes")
        if any(texts) and not all(texts):
            raise Unfit("a list holds either texts or numbers")
        return Comparison(comparison.term, comparison.operator, values, comparison.negated)

    def _is_below(self, entity: str, name: str) -> bool:
        beginning = self.below.get(entity)
        return beginning is not None and name.startswith(beginning) and name != beginning


def _check_regular(expression: str) -> None:
    try:
        regular.parsed(expression)
    except regular.Unknown as error:
        raise Unfit(f"the regular expression {error}") from None


def _fitting(kind: FieldKind, value: Value) -> Value:
    if kind == "number" and isinstance(value, str):
        raise Unfit("a number is expected here, without quotes")
    if kind == "text" and not isinstance(value, str):
        raise Unfit("a text is expected here, in quotes")
    if kind == "time":
        return _moment(value) if isinstance(value, str) else value
    return value


def _moment(text: str) -> int:
    """Milliseconds; without a zone it is UTC."""
    try:
        if not _ISO.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Unfit(
            "a time is milliseconds, or like '2026-11-24' or '2026-11-24T09:30:00Z'"
        ) from None
