"""What may be kept of a request and its answer: applied before anything is written."""

import hashlib
import hmac
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ml_workspace_lab.endpoints.telemetry.model import Sampling
from ml_workspace_lab.endpoints.telemetry.patterns import (
    SECRET_FIELDS,
    SECRETS,
    plain_name,
    replaced,
)

SHORT = 4
"""A value of fewer characters is taken for one in another text only where it is a whole word."""
SHORT_FLOAT = 8
"""A number that is not whole is taken for one elsewhere only where it has so many."""
MAX_DEPTH = 100
UNNAMED = ("data", "input_data", "Inputs", "inputs", "instances")
"""What rows without names stand in."""
HASH_DIGITS = 16
REMOVED = "[removed]"
Rule = Callable[[Any], Any]


class Redactor:
    """The rules of a deployment. `key` makes hashes that only its holder can compare with guesses;
    `columns` are the model's, for rows that come without names."""

    def __init__(self, sampling: Sampling, key: bytes, columns: Sequence[str] = ()) -> None:
        self._key = key
        self._rules: dict[str, Rule] = {plain_name(n): self._hashed for n in sampling.hash_fields}
        self._rules |= dict.fromkeys(map(plain_name, sampling.drop_fields), _dropped)
        self.names_fields = bool(self._rules)
        """Whether there are fields to find, which can't be done in a text without any."""
        self._columns = [self._rules.get(plain_name(name)) for name in columns]
        self._rules |= dict.fromkeys(SECRET_FIELDS, _dropped)
        self._patterns: dict[str, Callable[[str], str]] = dict.fromkeys(
            sampling.hash_patterns, self._hash
        )
        self._patterns |= {name: _marked(name) for name in sampling.drop_patterns}

    def redacted(self, request: Any, response: Any, credentials: Sequence[str]) -> tuple[Any, Any]:
        """A request and its answer, each a JSON value or a text, as they may be kept. Values that
        were taken out of the one are taken out of the texts of both, and so are the `credentials`
        that the request came with. Raises RecursionError where they are nested too deeply."""
        one = _Exchange(self, credentials)
        asked = one.request(request)
        answered = one.walked(response)
        return one.scrubbed(asked), one.scrubbed(answered)

    def rule(self, name: str) -> Rule | None:
        return self._rules.get(plain_name(name))

    def column_rules(self, values: Sequence[Any]) -> Sequence[Rule | None] | None:
        """The rules of values without names, row after row, by the model's columns. None where they
        may be of a field that is not to be kept, and nobody knows which."""
        columns = self._columns
        if not (any(columns) if columns else self.names_fields):
            return ()
        if not columns or len(values) % len(columns):
            return None
        return [*columns] * (len(values) // len(columns))

    def in_text(self, text: str) -> str:
        """A text without what the patterns match."""
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()  # Half a character can't be written.
        found = SECRETS.sub("[secret]", text)
        for name, by in self._patterns.items():
            found = replaced(found, name, by)
        return found

    def in_number(self, value: float) -> Any:
        """A number, or what stands for one that the patterns match."""
        if not math.isfinite(value):
            return str(value)
        text = str(int(value))
        found = self.in_text(text)
        if found != text:
            return found
        return value if isinstance(value, float) or abs(value) < 2**63 else text

    def _hashed(self, value: Any) -> Any:
        """Each value in it as its hash; null is none."""
        if isinstance(value, list):
            return [self._hashed(item) for item in value]
        if isinstance(value, dict):
            return {self._hash(name): self._hashed(item) for name, item in value.items()}
        return None if value is None else self._hash(_spelled(value))

    def _hash(self, text: str) -> str:
        found = hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"hash:{found.hexdigest()[:HASH_DIGITS]}"


class _Exchange:
    """One request with its answer."""

    def __init__(self, redactor: Redactor, credentials: Sequence[str]) -> None:
        self._redactor = redactor
        self._credentials = [text for text in credentials if text]
        self._removed: set[str] = set()
        self._has_rows = False

    def request(self, value: Any) -> Any:
        """What was asked, in which there may be rows without names."""
        self._has_rows = True
        found = self._row_without_names(value, 0) if _is_row(value) else self.walked(value)
        self._has_rows = False
        return found

    def walked(self, value: Any, depth: int = 0) -> Any:
        """The value by the rules of its fields, and the patterns."""
        if depth > MAX_DEPTH:
            raise RecursionError
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return [
                self._row_without_names(item, depth + 1) if _is_row(item) else
                self.walked(item, depth + 1)
                for item in value
            ]  # fmt: skip
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._redactor.in_number(value)
        return value

    def scrubbed(self, value: Any) -> Any:
        """The value without those that were taken out elsewhere."""
        texts = "\n".join(_texts(value))
        present = [text for text in self._removed if text in texts]
        present += [text for text in self._credentials if text in texts]
        expression = _any_of(present)
        numbers = {t for t in self._removed if len(t) >= (SHORT if t.isdecimal() else SHORT_FLOAT)}
        return _replaced(value, expression, numbers) if present or numbers else value

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        columns, shape = value.get("columns"), value.get("shape")
        if isinstance(columns, list) and isinstance(value.get("data"), list):
            return self._table(value, columns, depth)
        is_tensor = isinstance(shape, list) and isinstance(value.get("name"), str)
        is_column = is_tensor and isinstance(shape, list) and len(shape) < 2
        found = {}
        for name, item in value.items():
            rule = self._redactor.rule(name)
            if rule is None and name == "data" and is_tensor:
                rule = self._redactor.rule(value["name"])
            shown = self._redactor.in_text(name)
            if rule is None and name in UNNAMED and not is_column and _is_row(item):
                found[shown] = self._row_without_names(item, depth + 1)
            else:
                found[shown] = self._by(rule, item, depth)
        return found

    def _table(self, value: dict[str, Any], columns: list[Any], depth: int) -> dict[str, Any]:
        """Columns and rows apart, as data frames are sent."""
        rules = [self._redactor.rule(name) if isinstance(name, str) else None for name in columns]
        found = {}
        for name, item in value.items():
            rule = self._redactor.rule(name)
            if name == "data" and rule is None:
                found[name] = [self._row_of_table(row, rules, depth + 1) for row in item]
            else:
                found[name] = self._by(rule, item, depth)
        return found

    def _row_of_table(self, row: Any, rules: Sequence[Rule | None], depth: int) -> Any:
        if not isinstance(row, list) or not any(rules):
            return self.walked(row, depth + 1)
        if len(row) == len(rules):
            return self._row(row, rules, depth)
        self._removed.update(_leaves(row))
        return None  # Nobody knows which of its values is whose.

    def _row_without_names(self, row: list[Any], depth: int) -> list[Any] | None:
        rules = self._redactor.column_rules(row) if self._has_rows else ()
        if rules is None:
            self._removed.update(_leaves(row))
            return None
        return self._row(row, rules, depth)

    def _row(self, row: list[Any], rules: Sequence[Rule | None], depth: int) -> list[Any]:
        if len(rules) < len(row):
            rules = [*rules, *[None] * (len(row) - len(rules))]
        return [self._by(rule, item, depth) for rule, item in zip(rules, row, strict=False)]

    def _by(self, rule: Rule | None, value: Any, depth: int) -> Any:
        if rule is None:
            return self.walked(value, depth + 1)
        self._removed.update(_leaves(value))
        return rule(value)

    def _text(self, value: str, depth: int) -> str:
        """A text; JSON in it is looked into as well."""
        if value.lstrip()[:1] in ("{", "["):
            try:
                inner = json.loads(value)
            except (ValueError, RecursionError):
                inner = None
            if inner is not None:
                return json.dumps(self.walked(inner, depth + 1), ensure_ascii=False)
        return self._redactor.in_text(value)


def _is_row(value: Any) -> bool:
    """Whether it is a list of values, and of nothing that has values itself."""
    return isinstance(value, list) and not any(isinstance(item, list | dict) for item in value)


def _dropped(_: Any) -> None:
    return None


def _marked(name: str) -> Callable[[str], str]:
    return lambda _: f"[{name}]"


def _spelled(value: Any) -> str:
    """A value as text; numbers that are equal are spelled alike."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def _leaves(value: Any) -> Iterator[str]:
    """The values in it that can be recognised elsewhere."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value not in (None, "") and not isinstance(value, bool):
        yield _spelled(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _any_of(texts: Sequence[str]) -> re.Pattern[str] | None:
    """What matches any of the texts, the longest first."""
    parts = [
        re.escape(text) if len(text) >= SHORT else rf"(?<!\w){re.escape(text)}(?!\w)"
        for text in sorted(texts, key=len, reverse=True)
    ]
    return re.compile("|".join(parts)) if parts else None


def _replaced(value: Any, expression: re.Pattern[str] | None, numbers: set[str]) -> Any:
    if isinstance(value, str):
        return value if expression is None else expression.sub(REMOVED, value)
    if isinstance(value, dict):
        return {
            _replaced(name, expression, numbers): _replaced(item, expression, numbers)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_replaced(item, expression, numbers) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return REMOVED if _spelled(value) in numbers else value
    return value
