"""Expressions as SQL conditions on a run."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TypeGuard

from msgspec import Struct
from msgspec.structs import replace

from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.experiments.model import RunState
from ml_workspace_lab.experiments.search.expression import (
    And,
    Comparison,
    Expression,
    Not,
    Or,
    Term,
    Value,
)
from ml_workspace_lab.experiments.search.goal import goal
from ml_workspace_lab.experiments.search.runs import ATTRIBUTES, words
from ml_workspace_lab.experiments.search.sql import FALSE, TRUE, Bindings, Dialect
from ml_workspace_lab.experiments.search.vocabulary import columns
from ml_workspace_lab.storage import patterns
from ml_workspace_lab.storage.regular_machine import is_found

KEYED = ("metric", "param", "tag", "property")
"""Entities whose names have numbers in the table `key`."""

COLUMNS = columns(ATTRIBUTES)
"""Attributes of runs, in terms of the row `r` of `run`; NULL is missing."""

BEYOND_DOUBLES = 2**53
"""From here on a double stands for several whole numbers."""

_TURNED = str.maketrans("<>", "><")

_FUNCTIONS = {"last": "last", "min": "low", "max": "high", "count": "count"}


class Scope(Struct):
    """What a condition is made with; `run` is the SQL of a run's row id. `walks` says that few runs
    will be asked, and `rows` whether a condition has asked for more of a run's row."""

    dialect: Dialect
    bindings: Bindings
    keys: Mapping[tuple[str, str], int]
    run: str = "r.id"
    walks: bool = False
    rows: bool = False


def condition(expression: Expression, scope: Scope) -> str:
    """SQL that is true of just those runs that the expression matches."""
    match expression:
        case And(parts):
            return "(" + " AND ".join(condition(part, scope) for part in parts) + ")"
        case Or(parts):
            return "(" + " OR ".join(condition(part, scope) for part in parts) + ")"
        case Not(part):
            return f"({condition(part, scope)}) IS NOT TRUE"
        case Comparison(Term("attribute")):
            scope.rows = True
            return _attribute(expression, scope)
        case Comparison(Term("dataset")):
            return _dataset(expression, scope)
        case Comparison():
            return _keyed(expression, scope)


def successive(expressions: Sequence[Expression], scope: Scope) -> str:
    """SQL that is true of just those runs that all of them match, the others asked of those alone
    that the first lets through: of conditions side by side a database chooses the order. Names that
    no run has are not among them."""
    first, *others = expressions
    if not isinstance(first, Comparison) or first.term.entity not in KEYED:
        return " AND ".join(condition(one, scope) for one in expressions)
    inner = replace(scope, run="f.run")
    return _keyed(first, scope, "f", [condition(one, inner) for one in others])


def series_column(term: Term) -> str:
    """The column of `series` that a function of a metric reads."""
    if term.function == "best":
        return "low" if goal(term.name) == "min" else "high"
    return _FUNCTIONS[term.function]


def said(comparison: Comparison, alias: str, scope: Scope) -> str:
    """That what the comparison says is true of a row of `series` or `attribute` which is there."""
    if comparison.operator == "NULL":
        return TRUE
    if comparison.term.entity == "metric":
        positive = _of_number(f"{alias}.{series_column(comparison.term)}", comparison, scope)
    elif isinstance(comparison.values[0], str):
        text = scope.dialect.unindexed(f"{alias}.value")
        positive = _of_text(text, comparison, scope)
    else:
        positive = _of_number(f"{alias}.number", comparison, scope, f"{alias}.value")
    return f"({positive}) IS NOT TRUE" if comparison.negated else positive


def states(comparison: Comparison) -> list[RunState]:
    """The states that a comparison of the status is true of. Raises InvalidInput where it names one
    that there isn't."""
    if comparison.operator in ("=", "IN"):
        known = list(dict.fromkeys(word for state in RunState for word in words(state)))
        for value in comparison.values:
            if str(value).lower() not in {word.lower() for word in known}:
                raise InvalidInput(
                    f"filter: there is no status {shown(str(value))}.",
                    field="filter",
                    hint=f"It is one of {', '.join(known)}.",
                )
        exact = {str(value) for value in comparison.values if value in known}
        folded = {str(value).lower() for value in comparison.values if value not in known}
        return [
            state
            for state in RunState
            if any(word in exact or word.lower() in folded for word in words(state))
            != comparison.negated
        ]
    return [
        s for s in RunState if any(is_like(w, comparison) for w in words(s)) != comparison.negated
    ]


def _keyed(comparison: Comparison, scope: Scope, alias: str = "t", also: Sequence[str] = ()) -> str:
    """That a run has a row, called `alias`, of which the comparison and `also` are true."""
    key = scope.keys.get((comparison.term.entity, comparison.term.name))
    missing = comparison.operator == "NULL" and not comparison.negated
    if key is None:
        return TRUE if missing else FALSE
    table = "series" if comparison.term.entity == "metric" else "attribute"
    wanted = [
        f"{alias}.run = {scope.run}",
        f"{alias}.key = {scope.bindings.mark(key)}",
        said(comparison, alias, scope),
        *also,
    ]
    apart = scope.dialect.apart if scope.walks else ""
    there = f"EXISTS (SELECT 1 FROM {table} {alias} WHERE {' AND '.join(wanted)}{apart})"
    return f"NOT {there}" if missing else there


def _dataset(comparison: Comparison, scope: Scope) -> str:
    missing = comparison.operator == "NULL" and not comparison.negated
    wanted = TRUE
    if comparison.operator != "NULL":
        positive = _of_text(f"l.{comparison.term.name}", comparison, scope)
        wanted = f"({positive}) IS NOT TRUE" if comparison.negated else positive
    there = (
        f"EXISTS (SELECT 1 FROM lineage l WHERE l.run = {scope.run} AND l.direction = 'input'"
        f" AND l.kind = 'dataset' AND {wanted})"
    )
    return f"NOT {there}" if missing else there


def _attribute(comparison: Comparison, scope: Scope) -> str:
    name = comparison.term.name
    column = COLUMNS[name]
    if comparison.operator == "NULL":
        return f"{column} IS {'NOT ' if comparison.negated else ''}NULL"
    if column.startswith("r."):
        column = scope.dialect.unindexed(column)
    if name == "status":
        found = states(comparison)
        return f"{column} IN ({scope.bindings.marks(found)})" if found else FALSE
    if isinstance(comparison.values[0], str):
        positive = _of_text(column, comparison, scope)
    else:
        positive = _of_number(column, comparison, scope)
    if comparison.negated:
        return f"({COLUMNS[name]} IS NOT NULL AND ({positive}) IS NOT TRUE)"
    return positive


def _of_text(text: str, comparison: Comparison, scope: Scope) -> str:
    bindings = scope.bindings
    if comparison.operator in ("LIKE", "ILIKE", "RLIKE"):
        pattern = str(comparison.values[0])
        return scope.dialect.matches(text, comparison.operator, pattern, bindings)
    return scope.dialect.among(text, comparison.values, bindings)


def _of_number(number: str, comparison: Comparison, scope: Scope, text: str = "") -> str:
    """NaN is kept as NULL: it equals itself, and is neither less nor greater than anything. `text`
    is the column that has whole numbers to their last digit."""
    values = [value for value in comparison.values if not _is_nan(value)]
    if comparison.operator in ("=", "IN"):
        large = [value for value in values if text and _is_large(value)]
        plain = [_stored(v, comparison.term) for v in values if not (text and _is_large(v))]
        parts = [scope.dialect.among(number, plain, scope.bindings)] if plain else []
        if large:
            parts.append(_to_the_digit(number, large, text, scope))
        if len(values) < len(comparison.values):
            parts.append(f"{number} IS NULL")
        return f"({' OR '.join(parts)})"
    if len(values) < len(comparison.values):
        return FALSE
    if any(text and _is_large(value) for value in values):
        operators = (">=", "<=") if comparison.operator == "BETWEEN" else (comparison.operator,)
        bounds = [_bound(number, *one, text, scope) for one in zip(operators, values, strict=True)]
        return f"({' AND '.join(bounds)})"
    marks = [scope.bindings.mark(_stored(value, comparison.term)) for value in values]
    if comparison.operator == "BETWEEN":
        return f"{number} BETWEEN {marks[0]} AND {marks[1]}"
    return f"{number} {comparison.operator} {marks[0]}"


def _is_large(value: Value) -> TypeGuard[int]:
    return isinstance(value, int) and abs(value) >= BEYOND_DOUBLES


def _to_the_digit(number: str, values: Sequence[Value], text: str, scope: Scope) -> str:
    """That a number equals the double of one of `values`, and its text one of them itself where it
    is whole."""
    equal = scope.dialect.among(number, [float(value) for value in values], scope.bindings)
    digits = f"(CASE WHEN {number} < 0 THEN '-' ELSE '' END || {_digits(text)})"
    same = scope.dialect.among(digits, [str(value) for value in values], scope.bindings)
    return f"({equal} AND ({same} OR NOT {_is_whole(text)}))"


def _bound(number: str, operator: str, value: Value, text: str, scope: Scope) -> str:
    """That a number is less or greater than a value. Where the double of a large whole one is the
    same, the digits of a text that is whole decide: their count, then their order."""
    double = scope.bindings.mark(float(value))
    if not _is_large(value):
        return f"{number} {operator} {double}"
    strict, or_equal = operator[0], operator.endswith("=")
    further = operator if value > 0 else operator.translate(_TURNED)
    digits = str(abs(value))
    count, order = scope.bindings.mark(len(digits)), scope.dialect.bytewise(_digits(text))
    longer = f"length({_digits(text)}) {further[0]} {count}"
    later = f"{order} {further} {scope.bindings.mark(digits)}"
    by_digits = f"({longer} OR (length({_digits(text)}) = {count} AND {later}))"
    decided = f"{_is_whole(text)} AND {by_digits}"
    if or_equal:
        decided = f"(NOT {_is_whole(text)} OR {by_digits})"
    # The first part is what an index knows.
    return f"({number} {strict}= {double} AND ({number} {strict} {double} OR ({decided})))"


def _digits(text: str) -> str:
    return f"ltrim({text}, '+-0')"


def _is_whole(text: str) -> str:
    return f"(ltrim({text}, '+-0123456789') = '')"


def _stored(value: Value, term: Term) -> Value:
    """A value as the column of numbers has it."""
    return value if term.entity == "attribute" else float(value)


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and isnan(value)


def is_like(word: str, comparison: Comparison) -> bool:
    """Whether a pattern matches a word."""
    pattern = str(comparison.values[0])
    if comparison.operator == "RLIKE":
        return is_found(word, pattern)
    return patterns.is_like(word, pattern, fold=comparison.operator == "ILIKE")
