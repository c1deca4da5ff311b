"""W3C Trace Context: which trace a request belongs to, as its client says."""

import re
from collections.abc import Mapping
from typing import NamedTuple

_PARENT = re.compile(rb"\s*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\s*")
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16
SAMPLED = 1
_MOST_STATE = 512


class Parent(NamedTuple):
    """The client's span, and whether its trace is recorded."""

    trace: str
    span: str
    is_sampled: bool


def parent(named: Mapping[bytes, bytes]) -> Parent | None:
    """The parent that a request's header fields name; None where they name none, or wrongly."""
    value = named.get(b"traceparent")
    if value is None or (match := _PARENT.fullmatch(value)) is None:
        return None
    version, trace, span, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more) or trace == _NO_TRACE or span == _NO_SPAN:
        return None
    return Parent(trace.decode(), span.decode(), bool(int(flags, 16) & SAMPLED))


def state(named: Mapping[bytes, bytes]) -> str:
    """What vendors have added, to be passed on with the trace."""
    value = named.get(b"tracestate", b"").decode("latin-1").strip()
    return value if len(value) <= _MOST_STATE else ""


def trace_id(named: Mapping[bytes, bytes]) -> str:
    found = parent(named)
    return "" if found is None else found.trace
