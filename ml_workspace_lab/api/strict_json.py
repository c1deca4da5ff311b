"""JSON that is taken at its word: what other parsers bend or drop is refused, with the reason."""

import json
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from ml_workspace_lab.api.choices import choices
from ml_workspace_lab.api.types import IN_WORDS
from ml_workspace_lab.errors import SHOWN, InvalidInput, shown

MAX_DEPTH = 64
MAX_WHOLE = 10**32
_SOME = "[...]"
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NUL = re.compile(r"\0")
_TOO_LONG = "digits"
_TEXT, _NUMBER = "The text", "The number"
"""What a fault is said of that has no place in a larger value."""
_ARRAYS = (list, tuple)
_EITHER = re.compile(r"[\0\ud800-\udfff]")
# Possessive, and the closing quote optional: text without an end is passed over once, not tried
# again from each of its quotes.
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_AT = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<where>[^`]*)`)?$", re.DOTALL)

T = TypeVar("T")


def loads(raw: bytes) -> Any:
    """The JSON value that `raw` spells.

    Raises InvalidInput on what is not UTF-8 or not JSON, on NaN and Infinity tokens, numbers
    beyond a double, duplicate keys, lone surrogates and nesting deeper than 64.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The body is not UTF-8: byte {error.start} can't be decoded.") from None
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except ValueError:  # Python reads no number of thousands of digits.
        raise InvalidInput("A number in the body has too many digits.") from None
    _check(value)
    return value


def decode(raw: bytes, kind: type[T], *, kept: bool = False) -> T:
    """The value of type `kind` that `raw` spells; raises InvalidInput naming the field at fault.
    What is to be `kept` in a database may hold no NUL: PostgreSQL has no text with one."""
    value = loads(raw)
    typed = _typed(value, kind, lax=False)
    if kept and b"\\u0000" in raw:
        refuse_nul(value)
    return typed


def convert(value: Any, kind: type[T], *, lax: bool = False, kept: bool = False) -> T:
    """`value` as `kind`; with `lax`, text is read as the number or flag that the field wants.

    Raises InvalidInput as `loads` and `decode` do, so that what comes from Python may be no more
    than what can come over HTTP.
    """
    _check(value, unfit=_EITHER if kept else _LONE_SURROGATE)
    return _typed(value, kind, lax=lax)


def convert_field(value: Any, kind: type[T], field: str) -> T:
    """The same for a value that is a field itself: InvalidInput names it."""
    try:
        return convert(value, kind)
    except InvalidInput as error:
        reason = error.message.removeprefix(f"{_TEXT}: ").removeprefix(f"{_NUMBER}: ")
        raise InvalidInput(f"{field}: {reason}", field=field, hint=error.hint) from None


def refuse_nul(value: Any) -> None:
    """Raise InvalidInput, naming the place, on a text in the value with a NUL character."""
    _check(value, unfit=_NUL)


def _typed(value: Any, kind: type[T], *, lax: bool) -> T:
    try:
        return msgspec.convert(value, kind, strict=not lax)
    except msgspec.ValidationError as error:
        raise _as_invalid_input(error, value, kind, lax=lax) from None


def _as_invalid_input(
    error: msgspec.ValidationError, value: Any, kind: Any, *, lax: bool
) -> InvalidInput:
    match = _AT.match(str(error))
    what, where = (match["what"], match["where"]) if match else (str(error), None)
    field = (where or "").removeprefix("$").lstrip(".") or None
    if field and field.endswith(_SOME) and match and not match["key"]:
        field = _named(value, kind, field.removesuffix(_SOME), lax=lax)
    pattern, words = _pattern_in(what)
    if match and match["key"]:
        words = f"{_name_unlike(pattern, _at(value, field or ''))} {words}"
    what = words
    for pattern in (r"missing required field `(.+?)`", r"unknown field `(.+?)`"):
        if found := re.search(pattern, what):
            field = f"{field}.{found[1]}" if field else found[1]
    message = what if field is None else f"{field}: {what}"
    possible = choices(kind, field) if field and what.startswith("Invalid enum value") else []
    hint = f"One of: {', '.join(possible)}." if possible else None
    return InvalidInput(message + ".", field=field, hint=hint)


def _named(value: Any, kind: Any, field: str, *, lax: bool) -> str:
    """The place of what is refused in a mapping, with its name, which msgspec does not say: it is
    in that half of the names that is refused alone."""
    mapping = _at(value, field)
    names = list(mapping) if isinstance(mapping, dict) else []
    while len(names) > 1:
        half = names[: len(names) // 2]
        try:
            msgspec.convert(_with(value, field, half), kind, strict=not lax)
        except msgspec.ValidationError:
            names = half
        else:
            names = names[len(half) :]
    if not names or len(str(names[0])) > SHOWN:
        return field + _SOME
    return f"{field}.{names[0]}" if field else str(names[0])


def _with(value: Any, field: str, names: list[Any]) -> Any:
    """`value` with no others than those names in the mapping at a place."""
    if not field:
        return {name: value[name] for name in names}
    first, _, rest = field.partition(".")
    return {**value, first: _with(value[first], rest, names)}


def _pattern_in(what: str) -> tuple[str, str]:
    """The pattern in msgspec's sentence, and the sentence with what it means in its place."""
    match = re.search(r"matching regex (?P<pattern>.*)$", what, re.DOTALL)
    for pattern, words in IN_WORDS.items() if match else ():
        if match and repr(pattern) == match["pattern"]:
            return pattern, words
    return "", what


def _name_unlike(pattern: str, mapping: Any) -> str:
    """The first name in a mapping that is not as it must be; msgspec does not say which."""
    for name in mapping if isinstance(mapping, dict) else ():
        if pattern and isinstance(name, str) and not re.search(pattern, name):
            return shown(name)
    return "a name in it:"


def _at(value: Any, field: str) -> Any:
    """What is at a place, such as `job.parameters`; None where it has no one name."""
    for name in field.split(".") if field else ():
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _check_depth(text: str) -> None:
    """Before parsing: a parser that recurses must not meet nesting that ends its stack."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _TEXT_OR_BRACKET.finditer(text):
        token = match[0]
        if token in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInput(f"The body is nested deeper than {MAX_DEPTH} levels.")
        elif token in ("]", "}"):
            depth -= 1


def _check(value: Any, unfit: re.Pattern[str] = _LONE_SURROGATE) -> None:
    """Raise InvalidInput, naming the place, on a text with an unfit character, such as half of one,
    and on a number too long."""
    if (fault := _fault(value, unfit)) is None:
        return
    what, where = fault
    if what == _TOO_LONG:
        raise InvalidInput(f"{where or _NUMBER}: has too many digits.", field=where or None)
    if what == "\0":
        raise InvalidInput(
            f"{where or _TEXT}: must not hold a NUL character.",
            field=where or None,
            hint="Leave it out, or log bytes as an artifact.",
        )
    raise InvalidInput(
        f"{where or _TEXT}: holds half of a surrogate pair, which is not text.",
        field=where or None,
    )


def _fault(value: Any, unfit: re.Pattern[str]) -> tuple[str, str] | None:
    """The first unfit character or `_TOO_LONG`, and its place, which is spelled on the way back
    alone: every body is looked through, and hardly one has a fault."""
    if isinstance(value, str):
        found = unfit.search(value)
        return (found[0], "") if found else None
    if isinstance(value, dict):
        for key, item in value.items():
            if fault := _fault(key, unfit):
                return fault
            if fault := _fault(item, unfit):
                return fault[0], _joined(str(key), fault[1])
    elif isinstance(value, _ARRAYS):
        for index, item in enumerate(value):
            if fault := _fault(item, unfit):
                return fault[0], _joined(f"[{index}]", fault[1])
    elif isinstance(value, int) and abs(value) >= MAX_WHOLE:
        return _TOO_LONG, ""
    return None


def _joined(name: str, rest: str) -> str:
    return f"{name}.{rest}" if rest and not rest.startswith("[") else f"{name}{rest}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"The key {twice!r} stands twice in one object.", field=twice)
    return value


def _no_constant(token: str) -> NoReturn:
    raise InvalidInput(
        f"{token} is not JSON.", hint='Where a number may be one, write it as text: "NaN".'
    )


def _finite(token: str) -> float:
    value = float(token)
    if value in (float("inf"), float("-inf")):
        raise InvalidInput(f"The number {token[:40]} is beyond what a double can hold.")
    return value
