"""What MLflow says in tags and the workspace in fields: a search for such a tag asks the field too.

The protocol's `entities.tags` shows the same: the name and the note are the fields alone, the
others are the tag where there is one, else the field.
"""

from collections.abc import Iterable
from functools import partial

import msgspec

from ml_workspace_lab.experiments.search.conditions import is_like
from ml_workspace_lab.experiments.search.expression import (
    And,
    Comparison,
    Expression,
    Not,
    Or,
    Term,
    replaced,
)
from ml_workspace_lab.experiments.search.ordering import OrderTerm
from ml_workspace_lab.storage.database import Queries
from ml_workspace_lab.storage.marks import groups

NAME, USER, PARENT, NOTE = (
    "mlflow.runName",
    "mlflow.user",
    "mlflow.parentRunId",
    "mlflow.note.content",
)
SOURCE_NAME, SOURCE_TYPE = "mlflow.source.name", "mlflow.source.type"
NOTEBOOK = "NOTEBOOK"
"""The type of what a run with a notebook has run."""

_FIELDS = {NAME: "run_name", NOTE: "description"}
"""Tags that are fields alone."""
_BESIDE = {USER: "user_id", PARENT: "parent", SOURCE_NAME: "notebook", SOURCE_TYPE: "notebook"}
"""Tags that stand before a field."""
_NATIVE = Comparison(Term("attribute", "kind"), "=", ("external",), negated=True)
"""Of a run that a client of the protocol keeps, the tags are all that it says of these."""


def of_runs(expression: Expression | None, queries: Queries) -> Expression | None:
    """The filter with such tags as the fields that they are."""
    return None if expression is None else replaced(expression, partial(_of_run, queries))


def ordered(order: Iterable[OrderTerm]) -> list[OrderTerm]:
    """The order with such tags as the fields that they are."""
    return [
        OrderTerm(Term("attribute", _FIELDS[one.term.name]), one.descending)
        if one.term.entity == "tag" and one.term.name in _FIELDS
        else one
        for one in order
    ]


def of_experiments(expression: Expression | None) -> Expression | None:
    """The same for experiments, whose note is their description."""
    return None if expression is None else replaced(expression, _of_experiment)


def _of_experiment(one: Comparison) -> Expression:
    if one.term != Term("tag", NOTE):
        return one
    description = _of(one, "description")
    there = Comparison(description.term, "=", ("",), negated=True)  # An empty one is none.
    if one.operator == "NULL":
        return there if one.negated else Not(there)
    return And((there, description))


def _of_run(queries: Queries, one: Comparison) -> Expression:
    name = one.term.name
    if one.term.entity != "tag" or not all(isinstance(value, str) for value in one.values):
        return one
    if name in _FIELDS:
        return _of(one, _FIELDS[name])
    if name == PARENT and one.operator in ("=", "IN") and not one.negated:
        return _below(one, queries)
    return _beside(one) if name in _BESIDE else one


def _of(tag: Comparison, field: str) -> Comparison:
    """The same said of a field."""
    return msgspec.structs.replace(tag, term=Term("attribute", field))


def _below(tag: Comparison, queries: Queries) -> Expression:
    """Runs below those that are named: for one that is here the field says all, and has an
    index."""
    here = {
        row["uid"]
        for marks, named in groups(tag.values)
        for row in queries.all(f"SELECT uid FROM run WHERE uid IN ({marks})", **named)
    }
    others = tuple(value for value in tag.values if value not in here)
    found: list[Expression] = []
    if here:
        found.append(Comparison(Term("attribute", "parent"), "IN", tuple(sorted(here))))
    if others:
        found.append(Comparison(tag.term, "IN", others))
    return found[0] if len(found) == 1 else Or(tuple(found))


def _beside(tag: Comparison) -> Expression:
    lacking = Comparison(tag.term, "NULL")
    if tag.operator == "NULL" and not tag.negated:
        return And((lacking, Or((Not(_NATIVE), _of(tag, _BESIDE[tag.term.name])))))
    said: Comparison | None = _of(tag, _BESIDE[tag.term.name])
    if tag.term.name == SOURCE_TYPE and tag.operator != "NULL":
        has_notebook = Comparison(Term("attribute", "notebook"), "NULL", negated=True)
        said = has_notebook if _is_true_of(NOTEBOOK, tag) else None
    return tag if said is None else Or((tag, And((lacking, _NATIVE, said))))


def _is_true_of(word: str, comparison: Comparison) -> bool:
    """Whether what is said of a text is true of this one."""
    if comparison.operator in ("=", "IN"):
        return (word in comparison.values) is not comparison.negated
    return is_like(word, comparison) is not comparison.negated
