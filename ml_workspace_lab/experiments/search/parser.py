"""A filter's text as an expression, read once from left to right."""

import math
import re
from functools import lru_cache
from typing import cast, get_args

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.search.expression import (
    And,
    Comparison,
    Expression,
    Function,
    Not,
    Operator,
    Or,
    Pattern,
    Term,
    Value,
)
from ml_workspace_lab.experiments.search.tokens import (
    Kind,
    Token,
    pieces,
    refusal,
    tokens,
    unquoted,
)
from ml_workspace_lab.experiments.search.vocabulary import Unfit, Vocabulary

MAX_CLAUSES = 100
MAX_DEPTH = 50
_NUMBER = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?")
_SPECIAL = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_INT64 = 2**63


@lru_cache(128)  # the same searches come again and again, page by page
def parse(text: str, vocabulary: Vocabulary, field: str = "filter") -> Expression | None:
    """What a filter says; None where it says nothing.

    Raises InvalidInput that names the field and points at the first thing that can't be
    understood, and at more than 100 comparisons, 64 KiB or 50 levels.
    """
    reader = Reader(text, vocabulary, field)
    return None if reader.at_end else reader.whole()


class Reader:
    """Reads an expression, or a single term, from tokens."""

    def __init__(self, text: str, vocabulary: Vocabulary, field: str) -> None:
        self._text = text
        self._vocabulary = vocabulary
        self._field = field
        self._tokens = tokens(text, field)
        self._next = 0
        self._clauses = 0
        self._depth = 0

    @property
    def at_end(self) -> bool:
        return self._token.kind is Kind.END

    def whole(self) -> Expression:
        found = self._any()
        self.end()
        return found

    def end(self) -> None:
        """Raise where something is left."""
        if not self.at_end:
            raise self.refusal(f"{self._token.shown} was not expected")

    def term(self) -> Term:
        """A key, or a function of one."""
        token = self._token
        function = token.text.lower()
        follows = self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        if token.kind is Kind.PIECE and follows == (Kind.SIGN, "(", follows.at):
            if function not in get_args(Function):
                raise self.refusal(f"{token.shown} is no function: min, max, best, last, count")
            self._next += 2
            found = self._key()
            if found.entity not in self._vocabulary.measured:
                raise self.refusal("a function is for metrics alone", token)
            self._expect(")")
            return Term(found.entity, found.name, cast(Function, function))
        return self._key()

    def take(self, *words: str) -> str | None:
        """The next token where it is one of these words or signs."""
        token = self._token
        said = token.text if token.kind is Kind.SIGN else token.word
        if token.kind is Kind.TEXT or said not in words:
            return None
        self._next += 1
        return said

    def refusal(self, what: str, token: Token | None = None) -> InvalidInput:
        return refusal(self._text, (token or self._token).at, what, self._field)

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _any(self) -> Expression:
        parts = [self._all()]
        while self.take("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Expression:
        parts = [self._single()]
        while self.take("AND"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _single(self) -> Expression:
        if not (opened := self.take("NOT", "(")):
            return self._comparison()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.refusal(f"it is nested deeper than {MAX_DEPTH} levels")
        if opened == "NOT":
            found: Expression = Not(self._single())
        else:
            found = self._any()
            self._expect(")")
        self._depth -= 1
        return found

    def _comparison(self) -> Comparison:
        self._clauses += 1
        if self._clauses > MAX_CLAUSES:
            raise self.refusal(f"it has more than {MAX_CLAUSES} comparisons")
        token = self._token
        term = self.term()
        try:
            return self._vocabulary.checked(self._said_of(term))
        except Unfit as error:
            raise self.refusal(str(error), token) from None

    def _said_of(self, term: Term) -> Comparison:
        if sign := self.take("=", "!=", "<", "<=", ">", ">="):
            operator = "=" if sign == "!=" else sign
            return Comparison(term, cast(Operator, operator), (self._value(),), sign == "!=")
        if self.take("IS"):
            negated = self.take("NOT") is not None
            self._expect("NULL")
            return Comparison(term, "NULL", (), negated)
        negated = self.take("NOT") is not None
        match self.take(*get_args(Pattern), "IN", "BETWEEN"):
            case "IN":
                return Comparison(term, "IN", self._list(), negated)
            case "BETWEEN":
                low = self._value()
                self._expect("AND")
                return Comparison(term, "BETWEEN", (low, self._value()), negated)
            case "LIKE" | "ILIKE" | "RLIKE" as word:
                return Comparison(term, word, (self._value(),), negated)
            case _:
                raise self.refusal(
                    f"an operator such as = or LIKE was expected, not {self._token.shown}"
                )

    def _key(self) -> Term:
        token = self._token
        if token.kind is not Kind.PIECE:
            raise self.refusal(f"a key such as metrics.loss was expected, not {token.shown}")
        self._next += 1
        entity, dot, rest = token.text.partition(".")
        if not dot or entity[:1] in ("`", '"'):
            entity, rest = "attribute", token.text
        name = "".join(unquoted(part) for part in pieces(rest))
        try:
            return self._vocabulary.term(entity, name)
        except Unfit as error:
            raise self.refusal(str(error), token) from None

    def _list(self) -> tuple[Value, ...]:
        self._expect("(")
        found = [self._value()]
        while self.take(",") and self._token.text != ")":
            found.append(self._value())
        self._expect(")")
        return tuple(found)

    def _value(self) -> Value:
        token = self._token
        if token.kind is Kind.TEXT:
            self._next += 1
            return token.text
        if token.kind is not Kind.PIECE:
            raise self.refusal(f"a value was expected, not {token.shown}")
        self._next += 1
        if token.text[0] == '"' and len(pieces(token.text)) == 1:
            return unquoted(token.text)
        if _SPECIAL.fullmatch(token.text):
            return float(token.text)
        if not _NUMBER.fullmatch(token.text):
            raise self.refusal(f"{token.shown} is no number; a text stands in quotes", token)
        return self._number(token)

    def _number(self, token: Token) -> Value:
        found = float(token.text)
        if math.isinf(found):
            raise self.refusal(f"{token.shown} is beyond what a double can hold", token)
        if re.fullmatch(r"[+-]?\d{1,19}", token.text) and -_INT64 <= int(token.text) < _INT64:
            return int(token.text)
        return found

    def _expect(self, word: str) -> None:
        if not self.take(word):
            raise self.refusal(f"{word} was expected, not {self._token.shown}")
