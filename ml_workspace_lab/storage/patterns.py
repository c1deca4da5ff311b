"""Patterns of LIKE and ILIKE, put so that SQLite and PostgreSQL match just the same texts.

`%` stands for any characters, `_` for one; a backslash before one of these, or before another
backslash, takes it as it is. ILIKE takes a letter for its upper and its lower form.
"""

import re
from enum import Enum
from functools import lru_cache

MAX_LENGTH = 2000
"""Characters that a pattern may have."""

SHORT = 64
"""Characters of a pattern up to which a database's own matcher is quick: it tries the rest of a
pattern again from each place in the text."""

_PART = re.compile(r"\\[%_\\]|.", re.DOTALL)


class Wild(Enum):
    ANY = "%"
    ONE = "_"


Pattern = list[str | Wild]
"""Characters and wild cards in order."""

Piece = tuple[re.Pattern[str], int]
"""What stands between two wild cards for any characters, and its length."""


def pattern(text: str) -> Pattern:
    """The pattern that a text spells."""
    return [Wild(part) if part in "%_" else part[-1] for part in _PART.findall(text)]


def folded(character: str) -> str:
    """The lower form of a letter, one for all its forms; any other character itself."""
    lower = character.upper().lower()
    return lower if len(lower) == 1 and len(character.upper()) == 1 else character


def forms(parts: Pattern) -> dict[str, str]:
    """All forms of the pattern's letters, each with its lower form."""
    found: dict[str, str] = {}
    for letter in sorted({part for part in parts if isinstance(part, str)}):
        lower = folded(letter)
        found |= {form: lower for form in (letter, lower, lower.upper()) if len(form) == 1}
    return found


def glob(parts: Pattern, alike: dict[str, str]) -> str:
    """For SQLite's GLOB, which looks at case; `alike` are forms of letters to take for one."""
    same: dict[str, str] = {}
    for form, lower in alike.items():
        same[lower] = same.get(lower, "") + form
    return "".join(_glob(part, same, alike) for part in parts)


def like(parts: Pattern, alike: dict[str, str]) -> str:
    r"""For LIKE with `\` as its escape, and a text whose letters were put in their lower forms."""
    return "".join(
        part.value if isinstance(part, Wild) else _escaped(alike.get(part, part)) for part in parts
    )


def is_like(text: str, spelled: str, *, fold: bool) -> bool:
    """Whether a text is like the pattern that is spelled so. Each piece between two `%` is looked
    for once, from the end of the one before: the first place serves as well as any later one."""
    pieces, lowers = _pieces(spelled, fold=fold)
    text = text.translate(lowers)
    (first, begin), *rest = pieces
    if not rest:
        return len(text) == begin and first.match(text) is not None
    *middle, (last, length) = rest
    if first.match(text) is None:
        return False
    for piece, _ in middle:
        found = piece.search(text, begin)
        if found is None:
            return False
        begin = found.end()
    return len(text) - length >= begin and last.match(text, len(text) - length) is not None


@lru_cache(maxsize=64)
def _pieces(spelled: str, *, fold: bool) -> tuple[list[Piece], dict[int, str]]:
    """The pieces of a pattern, and the lower form of each letter that has others."""
    parts = pattern(spelled)
    alike = forms(parts) if fold else {}
    pieces: list[list[str]] = [[]]
    for part in parts:
        if part is Wild.ANY:
            pieces.append([])
        else:
            pieces[-1].append("." if part is Wild.ONE else re.escape(alike.get(part, part)))
    compiled = [(re.compile("".join(piece), re.DOTALL), len(piece)) for piece in pieces]
    return compiled, {ord(form): lower for form, lower in alike.items()}


def _glob(part: str | Wild, same: dict[str, str], alike: dict[str, str]) -> str:
    if isinstance(part, Wild):
        return "*" if part is Wild.ANY else "?"
    letters = same.get(alike.get(part, part), part)
    return f"[{letters}]" if len(letters) > 1 or part in "*?[" else part


def _escaped(character: str) -> str:
    return f"\\{character}" if character in "\\%_" else character
