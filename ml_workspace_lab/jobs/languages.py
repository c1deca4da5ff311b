"""How the languages of notebooks write a parameter: found in its cell, and set with a value."""

import ast
import math
import re
from collections.abc import Callable
from typing import NamedTuple

from ml_workspace_lab.api.types import Scalar
from ml_workspace_lab.errors import InvalidInput


class Language(NamedTuple):
    """`declared` gives the names that a cell assigns, with their defaults as they are written;
    `assignment` sets one to a value that can't be taken for code."""

    declared: Callable[[str], dict[str, str]]
    assignment: Callable[[str, Scalar], str]


def language(name: str) -> Language | None:
    """The language of that name in a kernel spec, None where its parameters can't be set."""
    return LANGUAGES.get(name.lower())


def _declared_in_python(source: str) -> dict[str, str]:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InvalidInput(
            f"The cell tagged `parameters` is not Python: {error.msg} in line {error.lineno}.",
            field="parameters",
        ) from None
    found: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        else:
            continue
        assert statement.value is not None
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = ast.unparse(statement.value)
    return found


def _python_assignment(name: str, value: Scalar) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f'{name} = float("{value}")'
    return f"{name} = {value!r}"  # `repr` of such a value can't hold code


_R_ASSIGNMENT = re.compile(
    r"^(?P<name>(?:[A-Za-z]|\.(?!\d))[\w.]*)[ \t]*(?:<-|=(?!=))[ \t]*(?P<value>[^#\n]+)", re.M
)
_R_INTEGERS = range(-(2**31) + 1, 2**31)


def _declared_in_r(source: str) -> dict[str, str]:
    """Assignments at the start of a line: what R itself would say needs R."""
    return {found["name"]: found["value"].strip() for found in _R_ASSIGNMENT.finditer(source)}


def _r_assignment(name: str, value: Scalar) -> str:
    return f"{name} <- {_r_literal(name, value)}"


def _r_literal(name: str, value: Scalar) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int() if value in _R_INTEGERS:
            return f"{value}L"
        case int():
            return f"{value}"  # a number with 53 bits, as R has it
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Inf" if value > 0 else "-Inf"
        case float():
            return repr(value)
        case str():
            return _r_text(name, value)


def _r_text(name: str, text: str) -> str:
    if "\0" in text:
        raise InvalidInput(
            f"parameters.{name}: a text of R can't hold a NUL.", field=f"parameters.{name}"
        )
    escaped = re.sub(r'["\\]', lambda found: "\\" + found[0], text)
    # Control characters, so that no line break of a text ends a line of the cell.
    return '"' + re.sub(r"[\x01-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped) + '"'


LANGUAGES = {
    "python": Language(_declared_in_python, _python_assignment),
    "r": Language(_declared_in_r, _r_assignment),
}
