"""What a call says: lenient in form, as its clients need it, and at its word in content.

A call's struct names the fields it knows; others are passed over, since newer clients send more. A
field without a default is required: absent, null and empty are the same, as in protocol buffers.
"""

import re
from collections.abc import Callable
from functools import cache
from itertools import chain
from typing import Any, Generic, TypeVar

import msgspec

from ml_workspace_lab.api.strict_json import MAX_DEPTH, loads, refuse_nul
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.mlflow.errors import invalid, missing
from ml_workspace_lab.mlflow.wire import Request

T = TypeVar("T", bound=msgspec.Struct)
P = TypeVar("P", bound=msgspec.Struct)

_ABSENT = ("", None)
_NESTED = (list, dict)
_NUMBERS = (float, int)
_ODD = (b"\\", b" :", b"\t", b"\n", b"\r")
"""Escapes, and what may be a blank between a key and its colon: text for people has new lines."""
_KEY_END = b'":'
_LARGE = 2**63
"""From here on a parser may have a whole number as a float."""
_AT = re.compile(r"^(?P<what>.*) - at `\$\.?(?P<where>[^`]*)`$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(.+?)`")
_STEP = re.compile(r"\.?(\w+)|\[(\d+)\]")


class Plain(msgspec.Struct, Generic[P]):
    """A call in the form that it mostly has, where all fields of a struct are there and no others:
    how it is decoded, and how many keys it then has."""

    decoder: msgspec.json.Decoder[P]
    keys: Callable[[P], int]

    def read(self, raw: bytes) -> P | None:
        """The call; None where it has another form."""
        if any(odd in raw for odd in _ODD):
            return None
        try:
            call = self.decoder.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return call if self.keys(call) == raw.count(_KEY_END) else None


def body(request: Request, kind: type[T], plain: Plain[P] | None = None) -> T | P:
    """The JSON body of a call, or its query where it is a GET. Raises InvalidInput naming the
    field that is missing or wrong, in the words that clients look for."""
    raw = request.body.read()
    if not raw:
        return query(request, kind)
    media_type = request.headers.get("Content-Type") or ""
    if media_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidInput(
            "Bad Request. Content-Type must be one of ['application/json'].", field="Content-Type"
        )
    if plain is not None and (call := plain.read(raw)) is not None:
        return call
    given = _quick(raw)
    if given is None:
        given = loads(raw)
    if not isinstance(given, dict):
        raise InvalidInput("The body must be a JSON object.")
    typed = _typed(given, kind)
    if b"\\u0000" in raw:
        refuse_nul(given)
    return typed


def _quick(raw: bytes) -> Any:
    """The value, where a fast parser and a count of keys show that `loads` would have it so; None
    where `loads` must look. In text without escapes and odd blanks each key leaves one end."""
    if any(odd in raw for odd in _ODD):
        return None
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if type(value) not in _NESTED:
        return None
    return value if _keys(value) == raw.count(_KEY_END) else None


def _keys(value: Any) -> int:
    """How many keys there are in it; -1 where it is nested too deep, or has a large number."""
    keys, level = 0, [value]
    for _ in range(MAX_DEPTH):
        objects = [one for one in level if type(one) is dict]
        keys += sum(map(len, objects))
        arrays = [one for one in level if type(one) is list]
        children = list(chain(chain.from_iterable(map(dict.values, objects)), *arrays))
        numbers = [one for one in children if type(one) in _NUMBERS]
        if numbers and not -_LARGE < min(numbers) <= max(numbers) < _LARGE:
            return -1
        level = [one for one in children if type(one) in _NESTED]
        if not level:
            return keys
    return -1


def query(request: Request, kind: type[T]) -> T:
    """The fields of a GET; one that may be repeated is a list."""
    repeated = {
        field.name
        for field in msgspec.structs.fields(kind)
        if isinstance(msgspec.inspect.type_info(field.type), msgspec.inspect.ListType)
    }
    given = {
        name: values if name in repeated else values[-1] for name, values in request.query.items()
    }
    return _typed(given, kind)


def _typed(given: dict[str, Any], kind: type[T]) -> T:
    given = {name: value for name, value in given.items() if value is not None}
    if "run_uuid" in given:
        given.setdefault("run_id", given["run_uuid"])
    for name in _required(kind):
        if given.get(name) in _ABSENT:
            raise missing(name)
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _explained(str(error), given) from None


@cache
def _required(kind: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind) if field.required]


def _explained(what: str, given: dict[str, Any]) -> InvalidInput:
    match = _AT.match(what)
    where = match["where"] if match else ""
    if absent := _MISSING.search(what):
        return missing(f"{where}.{absent[1]}" if where else absent[1])
    value: Any = given
    for name, index in _STEP.findall(where):
        value = value[name] if name else value[int(index)]
    if value is None:
        return missing(where)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return invalid(where, value, "it must be a whole number of 64 bits.")
    kind = type(value).__name__
    return invalid(where, value, f"Hint: Value was of type '{kind}'.")
