"""Filters as SQL conditions on a trace."""

import json

import msgspec

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.search import records
from ml_workspace_lab.experiments.search.expression import (
    And,
    Comparison,
    Expression,
    Not,
    Or,
    Term,
)
from ml_workspace_lab.experiments.search.records import Records
from ml_workspace_lab.experiments.search.sql import Bindings, Dialect
from ml_workspace_lab.experiments.search.vocabulary import columns
from ml_workspace_lab.tracing import visible
from ml_workspace_lab.tracing.terms import ATTRIBUTES, SPAN_ATTRIBUTE, TRACES

PROMPTS_TAG = "mlflow.linkedPrompts"


class TraceConditions:
    """Makes conditions on the row `x` of `trace`."""

    def __init__(self, dialect: Dialect, bindings: Bindings) -> None:
        self._dialect = dialect
        self._bindings = bindings
        self._trace = Records(TRACES, columns(ATTRIBUTES), _pairs(dialect))
        own = {name: f"s.{name}" for name in ("name", "type", "status")}
        self._span = Records(
            TRACES,
            {**own, "content": visible.text(dialect)},
            {"span attribute": visible.attributes(dialect)},
        )

    def condition(self, expression: Expression) -> str:
        """SQL that is true of just those traces that the expression matches. What is said of spans
        side by side, joined by AND, is said of one and the same span."""
        match expression:
            case And(parts):
                read = [_read(part) if isinstance(part, Comparison) else part for part in parts]
                spans = [part for part in read if _is_of_a_span(part)]
                found = [self.condition(part) for part in read if part not in spans]
                if spans:
                    found.append(self._of_a_span(And(tuple(spans))))
                return f"({' AND '.join(found)})"
            case Or(parts):
                return f"({' OR '.join(map(self.condition, parts))})"
            case Not(part):
                return f"({self.condition(part)}) IS NOT TRUE"
            case Comparison():
                return self._comparison(_read(expression))

    def _comparison(self, one: Comparison) -> str:
        if _is_of_a_span(one):
            return self._of_a_span(one)
        if one.term.entity in ("span", "span attribute"):  # IS NULL: no span has it
            return f"NOT {self._of_a_span(msgspec.structs.replace(one, negated=True))}"
        return records.condition(one, self._trace, self._dialect, self._bindings)

    def _of_a_span(self, expression: Expression) -> str:
        said = records.condition(expression, self._span, self._dialect, self._bindings)
        return f"EXISTS (SELECT 1 FROM trace_span s WHERE s.trace = x.id AND {said})"  # noqa: S608


def _pairs(dialect: Dialect) -> dict[str, str]:
    pairs = {
        kind: f"trace_pair t WHERE t.trace = x.id AND t.kind = '{kind}'"
        for kind in ("tag", "metadata")
    }
    for kind in ("feedback", "expectation"):
        pairs[kind] = _assessments(kind, "a.name", "a.value", "AND a.valid = 1")
        number = dialect.number("a.value")
        pairs[f"{kind} number"] = _assessments(kind, "a.name", number, "AND a.valid = 1")
    pairs["issue"] = _assessments("issue", "'id'", "a.name")
    runs = "SELECT l.trace, 'run_id' AS key, l.run AS value FROM trace_run l"
    return {**pairs, "run": f"({runs}) t WHERE t.trace = x.id"}


def _assessments(kind: str, key: str, value: str, which: str = "") -> str:
    rows = (
        f"SELECT a.trace, {key} AS key, {value} AS value FROM assessment a"  # noqa: S608
        f" WHERE a.kind = '{kind}' {which}"
    )
    return f"({rows}) t WHERE t.trace = x.id AND t.value IS NOT NULL"


def _is_of_a_span(expression: Expression) -> bool:
    """Whether it says what a span is like: that none has something is said of them all."""
    return (
        isinstance(expression, Comparison)
        and expression.term.entity in ("span", "span attribute")
        and (expression.operator != "NULL" or expression.negated)
    )


def _read(one: Comparison) -> Comparison:
    """A comparison in terms of where it is looked up."""
    match one:
        case Comparison(Term("attribute", "text")):
            term = Term("span", "content")
        case Comparison(Term("attribute", "run_id")):
            term = Term("run", "run_id")
        case Comparison(Term("attribute", "prompt")):
            return _of_a_prompt(one)
        case Comparison(Term("span", name)) if name.startswith(SPAN_ATTRIBUTE):
            term = Term("span attribute", name.removeprefix(SPAN_ATTRIBUTE))
        case Comparison(Term("feedback" | "expectation" as kind, name), values=(first, *_)) if (
            not isinstance(first, str)
        ):
            term = Term(f"{kind} number", name)
        case _:
            return one
    return msgspec.structs.replace(one, term=term)


def _of_a_prompt(one: Comparison) -> Comparison:
    """Prompts are linked by a tag, a list of them in JSON."""
    name, _, version = str(one.values[0]).rpartition("/") if one.values else ("", "", "")
    if one.operator != "=" or one.negated or not name:
        raise InvalidInput(
            "filter: a prompt is asked for by its name and version.",
            field="filter",
            hint='Write it as: prompt = "name/version".',
        )
    linked = json.dumps({"name": name, "version": version})
    escaped = linked.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Comparison(Term("tag", PROMPTS_TAG), "LIKE", (f"%{escaped}%",))
