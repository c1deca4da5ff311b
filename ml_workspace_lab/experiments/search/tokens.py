"""A filter's text as tokens, each with its place, so that an error can point at it."""

import re
from enum import Enum, auto
from typing import NamedTuple

from ml_workspace_lab.errors import InvalidInput

MAX_BYTES = 64 * 1024
_AROUND = 30

# One alternative for each kind of token; each looks at a character once. `bad` takes what is left.
_TOKEN = re.compile(
    r"""\s*+(?:
        (?P<text>'(?:[^']|'')*+')
      | (?P<piece>(?:[^\s'"`()=!<>,]++|`(?:[^`]|``)*+`|"(?:[^"]|"")*+")++)
      | (?P<sign><=|>=|!=|<>|==|[=<>(),])
      | (?P<end>\Z)
      | (?P<bad>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_UNFIT = re.compile(r"[\x00\ud800-\udfff]")
_PIECE = re.compile(r"""[^`"]++|`(?:[^`]|``)*+`|"(?:[^"]|"")*+\"""", re.DOTALL)
_SAME = {"==": "=", "<>": "!="}


class Kind(Enum):
    TEXT = auto()
    """In single quotes."""
    PIECE = auto()
    """A key, a number or a keyword; parts of it may be in backticks or double quotes."""
    SIGN = auto()
    END = auto()


class Token(NamedTuple):
    kind: Kind
    text: str
    at: int

    @property
    def word(self) -> str:
        """The text in capitals where it may be a keyword."""
        return self.text.upper() if self.kind is Kind.PIECE else ""

    @property
    def shown(self) -> str:
        return "the end" if self.kind is Kind.END else repr(self.text[:_AROUND])


def tokens(text: str, field: str) -> list[Token]:
    """All tokens of the text, the end last. Raises InvalidInput at what is none."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InvalidInput(f"{field}: is longer than {MAX_BYTES // 1024} KiB.", field=field)
    if unfit := _UNFIT.search(text):
        raise refusal(text, unfit.start(), "holds a character that is not text", field)
    found: list[Token] = []
    at = 0
    while not found or found[-1].kind is not Kind.END:
        match = _TOKEN.match(text, at)
        assert match is not None  # `end` or `bad` matches anywhere
        kind = match.lastgroup
        start, at = match.start(str(kind)), match.end()
        if kind == "bad":
            raise _bad_character(text, start, field)
        part = match[str(kind)]
        if kind == "text":
            found.append(Token(Kind.TEXT, unquoted(part), start))
        elif kind == "sign":
            found.append(Token(Kind.SIGN, _SAME.get(part, part), start))
        else:
            found.append(Token(Kind.PIECE if kind == "piece" else Kind.END, part, start))
    return found


def pieces(text: str) -> list[str]:
    """The parts of a piece: plain ones, and ones in quotes."""
    return _PIECE.findall(text)


def unquoted(part: str) -> str:
    """What a part in quotes says; a doubled quote in it is one."""
    quote = part[0]
    return part[1:-1].replace(quote * 2, quote) if quote in "'\"`" else part


def refusal(text: str, at: int, what: str, field: str) -> InvalidInput:
    """An error that points at a place of the text."""
    begin = max(0, at - _AROUND)
    part = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", " ", text[begin : at + _AROUND])
    return InvalidInput(
        f"{field}: {what}, at character {at + 1}.",
        field=field,
        hint=f"Look here:\n{part}\n{' ' * (at - begin)}^",
    )


def _bad_character(text: str, at: int, field: str) -> InvalidInput:
    if text[at] in "'\"`":
        return refusal(text, at, f"a quote {text[at]} is not closed", field)
    return refusal(text, at, f"{text[at]!r} is no operator", field)
