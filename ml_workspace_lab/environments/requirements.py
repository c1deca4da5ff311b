"""Requirements as pip writes them, taken at their word: a line is one requirement (PEP 508) with
its hashes, or it is refused. No option, no other file, no variable, nothing that a tool would read
in a way of its own."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed
from packaging.utils import canonicalize_name

from ml_workspace_lab.errors import InvalidInput, shown

_HASH = re.compile(r"\s--hash[= ]((?:sha256|sha384|sha512):[0-9a-f]{64,128})(?=\s|$)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTIONS = {
    ("-i", "--index-url", "--extra-index-url", "--no-index", "-f", "--find-links", "--pre"): (
        "Indexes are set in your own pip or uv configuration, which is used."
    ),
    ("--trusted-host", "--no-binary", "--only-binary", "--prefer-binary", "--use-feature"): (
        "Set it in your own pip or uv configuration, which is used."
    ),
    ("-r", "--requirement", "-c", "--constraint"): "Put the lines of that file here.",
    ("-e", "--editable"): (
        "An editable install is the files of one folder, which change: build a wheel of it, or use "
        "Environment.from_existing."
    ),
}


@dataclass(frozen=True)
class Requirement:
    """One requirement; `name` and `text` are in the one way to write them."""

    name: str
    text: str
    hashes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        return " ".join([self.text, *(f"--hash={value}" for value in self.hashes)])


def read(text: str) -> list[str]:
    """The lines of a requirements file that say something: continued ones joined, comments and
    empty ones left out."""
    joined = re.sub(r"\\\r?\n", " ", text.removeprefix("\ufeff"))
    lines = (_COMMENT.sub("", line).strip() for line in joined.splitlines())
    return [re.sub(r"\s+", " ", line) for line in lines if line]


def parse(lines: Sequence[str], field: str, allow_urls: Collection[str] = ()) -> list[Requirement]:
    """The requirements in the order of their names. Raises InvalidInput naming a line that is none,
    or that gives an address for a package which `allow_urls` doesn't name."""
    allowed = {canonicalize_name(name) for name in allow_urls}
    found = (_parse(line, f"{field}.{place}", allowed) for place, line in enumerate(lines))
    return sorted(set(found), key=lambda one: (one.name, one.text))


def _parse(line: str, field: str, allowed: Collection[str]) -> Requirement:
    if any(ord(character) < 32 or ord(character) == 127 for character in line):
        raise InvalidInput(f"{field}: holds control characters.", field=field)
    hashes = tuple(sorted({match[1] for match in _HASH.finditer(line)}))
    text = _HASH.sub("", line).strip()
    if option := next((word for word in text.split() if word.startswith("-")), None):
        raise InvalidInput(
            f"{field}: options such as {shown(option)} are not taken: {shown(line)}.",
            field=field,
            hint=_hint(option),
        )
    try:
        parsed = Parsed(text)
    except InvalidRequirement as error:
        why = str(error).partition("\n")[0].rstrip(".")
        raise InvalidInput(
            f"{field}: {shown(line)} is not a requirement: {why}.",
            field=field,
            hint="Write NAME, NAME==1.2 or NAME[extra]>=1,<2; files and folders are not taken.",
        ) from None
    name = canonicalize_name(parsed.name)
    if parsed.url is not None:
        _check_url(parsed.url, name, field, allowed)
    parsed.name = name
    return Requirement(name, str(parsed), hashes)


def _check_url(url: str, name: str, field: str, allowed: Collection[str]) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None or parts.scheme != "https" or not parts.hostname:
        raise InvalidInput(
            f"{field}: {name} is to come from {shown(url)}, which is no https address.",
            field=field,
            hint="Give a version, or the https address of a wheel or source archive.",
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidInput(
            f"{field}: the address of {name} holds a password, which would be kept here.",
            field=field,
            hint="Put it into ~/.netrc, which pip and uv read.",
        )
    if name not in allowed:
        raise InvalidInput(
            f"{field}: {name} is to come from an address and not from an index: {shown(url)}.",
            field=field,
            hint=f"Where that is meant, say so: allow_urls=[{name!r}].",
        )


def _hint(option: str) -> str:
    name = option.partition("=")[0]
    for names, hint in _OPTIONS.items():
        if name in names or any(len(n) == 2 and option.startswith(n) for n in names):
            return hint
    return "Only --hash is taken."
