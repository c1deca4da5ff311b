"""What secrets and people's data look like in a text.

Each expression takes a time that grows with the text and no faster: requests decide what it reads.
"""

import re
from collections.abc import Callable

_NAMES = (
    "authorization", "proxyauthorization", "password", "passwd", "passphrase", "secret",
    "clientsecret", "token", "accesstoken", "refreshtoken", "idtoken", "sessiontoken", "apikey",
    "xapikey", "subscriptionkey", "ocpapimsubscriptionkey", "privatekey", "accesskey", "cookie",
    "setcookie", "credential", "credentials", "jwt",
)  # fmt: skip
_PARTS = str.maketrans("", "", "-_ .")


def plain_name(name: str) -> str:
    """A field's name as names are compared: without `-`, `_`, `.`, spaces and letters' case."""
    return name.casefold().translate(_PARTS)


SECRET_FIELDS = frozenset(_NAMES)
"""Fields whose values are never kept, as `plain_name` gives them."""

SECRETS = re.compile(
    r"(?i:\bbearer\s{1,8}[A-Za-z0-9._~+/=-]{8,})"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*"
)
"""Tokens as HTTP has them, JSON Web Tokens and private keys: never kept."""

PATTERNS = {
    "email": re.compile(r"(?<![\w.+%-])[\w.+%-]+(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}"),
    "ip": re.compile(
        r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)"
        r"|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![\w:])"
        r"|(?<![\w:])(?=[0-9A-Fa-f:]{0,40}::)(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"
    ),
    "number": re.compile(r"(?<!\d)\+?\d(?:[ ./()-]{0,2}\d){6,}"),
}


def replaced(text: str, kind: str, by: Callable[[str], str]) -> str:
    """The text with each place that looks like this replaced by what `by` makes of it."""
    return PATTERNS[kind].sub(lambda match: by(match[0]), text)
