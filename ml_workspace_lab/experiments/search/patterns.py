"""Patterns of LIKE and ILIKE, put so that SQLite and PostgreSQL match just the same texts.

`%` stands for any characters, `_` for one; a backslash before one of these, or before another
backslash, takes it as it is. ILIKE takes a letter for its upper and its lower form.
"""

import re
from enum import Enum

MAX_LENGTH = 2000
"""SQLite takes no pattern of over 50,000 bytes; a letter with its forms takes up to 20."""

_PART = re.compile(r"\\[%_\\]|.", re.DOTALL)


class Wild(Enum):
    ANY = "%"
    ONE = "_"


Pattern = list[str | Wild]
"""Characters and wild cards in order."""


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
    """Whether a text is like the pattern that is spelled so."""
    parts = pattern(spelled)
    alike = forms(parts) if fold else {}
    size = len(text)
    ends = {0}  # where a match of the parts so far may end
    for part in parts:
        if part is Wild.ANY:
            ends = set(range(min(ends), size + 1)) if ends else ends
        else:
            ends = {at + 1 for at in ends if at < size and _fits(part, text[at], alike)}
    return size in ends


def _fits(part: str | Wild, character: str, alike: dict[str, str]) -> bool:
    if isinstance(part, Wild):
        return part is Wild.ONE
    return alike.get(part, part) == alike.get(character, character)


def _glob(part: str | Wild, same: dict[str, str], alike: dict[str, str]) -> str:
    if isinstance(part, Wild):
        return "*" if part is Wild.ANY else "?"
    letters = same.get(alike.get(part, part), part)
    return f"[{letters}]" if len(letters) > 1 or part in "*?[" else part


def _escaped(character: str) -> str:
    return f"\\{character}" if character in "\\%_" else character
