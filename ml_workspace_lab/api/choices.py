"""The values that a field may have, where they are counted."""

import enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec


def choices(kind: Any, place: str) -> list[str]:
    """The values at a place in values of type `kind`, such as `job.kind`; none where any text would
    do, or the place is none of a field by its name."""
    for name in place.split("."):
        fields = (
            {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
            else {}
        )
        kind = _alone(fields.get(name))
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [str(member.value) for member in kind]
    return []


def _alone(kind: Any) -> Any:
    """A type without its notes, and without the None that may stand for it."""
    if get_origin(kind) is Annotated:
        return _alone(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        others = [one for one in get_args(kind) if one is not NoneType]
        return _alone(others[0]) if len(others) == 1 else kind
    return kind
