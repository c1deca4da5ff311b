"""What a filter says, without regard to how it was written or where it is asked."""

import math
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

Function = Literal["last", "min", "max", "best", "count"]
Pattern = Literal["LIKE", "ILIKE", "RLIKE"]
Operator = Literal["=", "<", "<=", ">", ">=", Pattern, "IN", "BETWEEN", "NULL"]
Value = int | float | str


class Term(Struct, frozen=True):
    """What is looked at: a name of an entity, and for a metric which of its values."""

    entity: str
    name: str
    function: Function = "last"


class Comparison(Struct, frozen=True):
    """A term and what is said of it.

    `negated` is said of what is there: `!=`, `NOT IN` and the like do not match what lacks the
    term. `NULL` means that it is missing.
    """

    term: Term
    operator: Operator
    values: tuple[Value, ...] = ()
    negated: bool = False


class And(Struct, frozen=True):
    parts: "tuple[Expression, ...]"


class Or(Struct, frozen=True):
    parts: "tuple[Expression, ...]"


class Not(Struct, frozen=True):
    """Whatever the part does not match."""

    part: "Expression"


Expression = Comparison | And | Or | Not


def comparisons(expression: Expression) -> Iterator[Comparison]:
    """All comparisons in it, in the order of the text."""
    match expression:
        case Comparison():
            yield expression
        case Not(part):
            yield from comparisons(part)
        case And(parts) | Or(parts):
            for each in parts:
                yield from comparisons(each)


def replaced(expression: Expression, by: Callable[[Comparison], Expression]) -> Expression:
    """The expression with something else in the place of each comparison."""
    match expression:
        case Comparison():
            return by(expression)
        case Not(part):
            return Not(replaced(part, by))
        case And(parts):
            return And(tuple(replaced(each, by) for each in parts))
        case Or(parts):
            return Or(tuple(replaced(each, by) for each in parts))


def conjuncts(expression: Expression | None) -> tuple[Expression, ...]:
    """The parts that must all hold."""
    if expression is None:
        return ()
    return expression.parts if isinstance(expression, And) else (expression,)


def text(expression: Expression) -> str:
    """A filter that says just this."""
    match expression:
        case Comparison():
            return _comparison(expression)
        case Not(part):
            return f"NOT ({text(part)})"
        case And(parts):
            return " AND ".join(_inner(each) for each in parts)
        case Or(parts):
            return " OR ".join(_inner(each) for each in parts)


def _inner(expression: Expression) -> str:
    return f"({text(expression)})" if isinstance(expression, And | Or) else text(expression)


def _comparison(one: Comparison) -> str:
    name = one.term.name.replace("`", "``")
    term = f"{one.term.entity}.`{name}`"
    if one.term.function != "last":
        term = f"{one.term.function}({term})"
    values = [_value(value) for value in one.values]
    no = "NOT " if one.negated else ""
    match one.operator:
        case "NULL":
            return f"{term} IS {no}NULL"
        case "IN":
            return f"{term} {no}IN ({', '.join(values)})"
        case "BETWEEN":
            return f"{term} {no}BETWEEN {values[0]} AND {values[1]}"
        case "=":
            return f"{term} {'!=' if one.negated else '='} {values[0]}"
        case _:
            return f"{term} {no}{one.operator} {values[0]}"


def _value(value: Value) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return repr(value)
