"""`@rawhttp`, for scripts that read the request themselves."""

from collections.abc import Callable
from typing import TypeVar

from werkzeug.wrappers import Request

F = TypeVar("F", bound=Callable[..., object])

_rawHttpRequested = False  # noqa: N816 - where Azure's server looks for it, too


class AMLRequest(Request):
    """The request that `run` gets."""


def rawhttp(function: F) -> F:
    """Mark `run` as one that takes the request instead of its text."""
    global _rawHttpRequested
    _rawHttpRequested = True
    return function
