"""Filters, orders and pages over the rows of a table whose tags are pairs of texts."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.search.expression import And, Comparison, Expression, Not, Or
from ml_workspace_lab.experiments.search.ordering import OrderTerm
from ml_workspace_lab.experiments.search.sql import TRUE, Bindings, Dialect, Sqlite
from ml_workspace_lab.experiments.search.vocabulary import Vocabulary

Place = list[int | float | str]
"""Where a page begins: the values that its predecessor's last row is put in order by."""


class Records(Struct, frozen=True):
    """How the terms of a vocabulary are read from rows: the SQL of each attribute, and for each
    entity with keys what stands after FROM to have its pairs as `t.key` and `t.value`."""

    vocabulary: Vocabulary
    columns: Mapping[str, str]
    pairs: Mapping[str, str]


def condition(
    expression: Expression, records: Records, dialect: Dialect, bindings: Bindings
) -> str:
    """SQL that is true of just those rows that the expression matches."""
    match expression:
        case And(parts) | Or(parts):
            word = " AND " if isinstance(expression, And) else " OR "
            inner = (condition(part, records, dialect, bindings) for part in parts)
            return f"({word.join(inner)})"
        case Not(part):
            return f"({condition(part, records, dialect, bindings)}) IS NOT TRUE"
        case Comparison():
            pairs = records.pairs.get(expression.term.entity)
            if pairs is None:
                return _of_column(
                    records.columns[expression.term.name], expression, dialect, bindings
                )
            return _of_pairs(pairs, expression, dialect, bindings)


def json_pairs(dialect: Dialect, column: str) -> str:
    """What stands after FROM for the pairs in a column of JSON."""
    rows = (
        f"json_each({column})" if isinstance(dialect, Sqlite) else f"json_each_text({column}::json)"
    )
    return f"{rows} t WHERE {TRUE}"


def order_sql(order: Sequence[OrderTerm], columns: Mapping[str, str]) -> str:
    """What stands after ORDER BY."""
    return ", ".join(
        f"{columns[one.term.name]} {'DESC' if one.descending else 'ASC'}" for one in order
    )


def after(
    place: Place, order: Sequence[OrderTerm], columns: Mapping[str, str], bindings: Bindings
) -> str:
    """SQL that is true of the rows that follow a place, where no column of the order is NULL."""
    marks = [bindings.mark(value) for value in place]
    steps = []
    for index, one in enumerate(order):
        same = [f"{columns[order[i].term.name]} = {marks[i]}" for i in range(index)]
        sign = "<" if one.descending else ">"
        steps.append(" AND ".join([*same, f"{columns[one.term.name]} {sign} {marks[index]}"]))
    first = order[0]
    bound = f"{columns[first.term.name]} {'<=' if first.descending else '>='} {marks[0]}"
    return f"({bound} AND ({' OR '.join(f'({step})' for step in steps)}))"


def to_token(place: Sequence[Any], question: object) -> str:
    """A place as text that only the same question takes back."""
    return base64.urlsafe_b64encode(msgspec.json.encode([_digest(question), list(place)])).decode()


def from_token(token: str, question: object, field: str) -> Place:
    """Raises InvalidInput at what no page of this question has answered."""
    try:
        raw = base64.urlsafe_b64decode(token.encode())
        digest, place = msgspec.json.decode(raw, type=tuple[str, Place])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        digest, place = "", []
    if digest != _digest(question):
        raise InvalidInput(
            f"{field}: is not the token of an earlier page of this search.",
            field=field,
            hint="Ask for the first page again.",
        )
    return place


def _digest(question: object) -> str:
    return hashlib.sha256(msgspec.json.encode(question)).hexdigest()[:16]


def _of_column(column: str, comparison: Comparison, dialect: Dialect, bindings: Bindings) -> str:
    if comparison.operator == "NULL":
        return f"{column} IS {'NOT ' if comparison.negated else ''}NULL"
    positive = _said(column, comparison, dialect, bindings)
    return f"NOT ({positive})" if comparison.negated else positive


def _of_pairs(pairs: str, comparison: Comparison, dialect: Dialect, bindings: Bindings) -> str:
    key = bindings.mark(comparison.term.name)
    missing = comparison.operator == "NULL" and not comparison.negated
    wanted = TRUE
    if comparison.operator != "NULL":
        wanted = _said("t.value", comparison, dialect, bindings)
        wanted = f"NOT ({wanted})" if comparison.negated else wanted
    there = f"EXISTS (SELECT 1 FROM {pairs} AND t.key = {key} AND {wanted})"
    return f"NOT {there}" if missing else there


def _said(value: str, comparison: Comparison, dialect: Dialect, bindings: Bindings) -> str:
    """What the comparison says of a value that is there, its negation left out."""
    match comparison.operator:
        case "LIKE" | "ILIKE" | "RLIKE" as operator:
            return dialect.matches(value, operator, str(comparison.values[0]), bindings)
        case "=" | "IN":
            return dialect.among(value, comparison.values, bindings)
        case "BETWEEN":
            low, high = (bindings.mark(each) for each in comparison.values)
            return f"{value} BETWEEN {low} AND {high}"
        case _:
            return f"{value} {comparison.operator} {bindings.mark(comparison.values[0])}"
