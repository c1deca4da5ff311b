"""What a filter and an order mean, told again in Python and slowly."""

import math
import re
from typing import Any

from ml_workspace_lab.experiments.search.expression import And, Comparison, Not, Or, Term
from ml_workspace_lab.experiments.search.goal import goal
from ml_workspace_lab.experiments.search.ordering import OrderTerm
from tests.experiments.search.population import Known

PLACES = ("count", "last", "min", "max")


def matches(expression: Any, run: Known) -> bool:
    match expression:
        case None:
            return True
        case And(parts):
            return all(matches(part, run) for part in parts)
        case Or(parts):
            return any(matches(part, run) for part in parts)
        case Not(part):
            return not matches(part, run)
        case Comparison(term, operator, _, negated):
            found = values(term, run)
            if operator == "NULL":
                return bool(found) == negated
            return any(holds(expression, value) != negated for value in found)
    raise AssertionError


def values(term: Term, run: Known) -> list[Any]:
    """What the run has under the term; nothing where it lacks it."""
    if term.entity == "metric":
        four = run.metrics.get(term.name)
        return [] if four is None else [four[PLACES.index(place(term))]]
    if term.entity == "dataset":
        return [one[term.name] for one in run.datasets]
    if term.entity == "attribute":
        value = run.attributes[term.name]
        return [] if value is None else [value]
    value = run.texts[term.entity].get(term.name)
    return [] if value is None else [value]


def place(term: Term) -> str:
    return goal(term.name) if term.function == "best" else term.function


def holds(comparison: Comparison, value: Any) -> bool:
    """Whether what is said is true of a value, its negation left out."""
    wanted = comparison.values
    if isinstance(value, tuple):
        return any(holds(comparison, word) for word in value)
    if isinstance(value, str) and not isinstance(wanted[0], str):
        value = number(value)
        if value is None:
            return False
    match comparison.operator:
        case "=" | "IN":
            return any(one == value or (one != one and value != value) for one in wanted)
        case "BETWEEN":
            return wanted[0] <= value <= wanted[1]
        case "LIKE" | "ILIKE":
            return like(value, str(wanted[0]), fold=comparison.operator == "ILIKE")
        case "RLIKE":
            return re.search(str(wanted[0]), value) is not None
        case "<":
            return value < wanted[0]
        case "<=":
            return value <= wanted[0]
        case ">":
            return value > wanted[0]
        case ">=":
            return value >= wanted[0]
    raise AssertionError


def number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def like(text: str, pattern: str, *, fold: bool) -> bool:
    parts = re.findall(r"\\[%_\\]|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    spelled = "".join(wild.get(part) or _one(part[-1], fold=fold) for part in parts)
    return re.fullmatch(spelled, text, re.DOTALL) is not None


def _one(character: str, *, fold: bool) -> str:
    if not fold:
        return re.escape(character)
    lower = character.upper().lower() if len(character.upper().lower()) == 1 else character
    return "|".join(re.escape(one) for one in {character, lower, lower.upper()}).join(("(?:", ")"))


def sort_key(order: list[OrderTerm], row: int, run: Known) -> tuple[Any, ...]:
    """A key by which Python's `sorted` puts runs in the order that was asked for."""
    keys: list[Any] = []
    for one in order:
        found = values(one.term, run)
        value = found[0] if found else None
        if one.term.name == "status" and one.term.entity == "attribute" and value:
            value = value[0]
        keys += _level(one, value)
    return (*keys, -run.info.created, -row)


def _level(one: OrderTerm, value: Any) -> list[Any]:
    if value is None:
        return [2, 0, ()]
    if one.term.entity in ("param", "tag", "property"):
        as_number = number(value)
        if as_number is None:
            return [1, 0, _codes(value[:64], one)]
        return [0, -as_number if one.descending else as_number, ()]
    if isinstance(value, str):
        return [0, 0, _codes(value[:255], one)]
    if math.isnan(value):
        return [1, 0, ()]
    return [0, -value if one.descending else value, ()]


def _codes(text: str, one: OrderTerm) -> tuple[Any, ...]:
    """A text's characters so that they sort as wanted; its end sorts before any character."""
    codes = [ord(character) + 1 for character in text] + [0]
    return tuple(-code for code in codes) if one.descending else tuple(codes)
