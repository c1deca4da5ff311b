"""Where packages come from: the user's own pip configuration, said in uv's words.

uv has a configuration of its own, which it reads by itself; it doesn't read pip's, which more
people have. Nothing of this is ever kept or put into a lock.
"""

import configparser
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

_SECTIONS = ("global", "install")
_UV = {
    "index-url": ("UV_DEFAULT_INDEX", ","),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "no-index": ("UV_NO_INDEX", " "),
    "cert": ("SSL_CERT_FILE", " "),
}


def for_uv(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables to start uv with: those that it has no setting for, as pip has them."""
    found = {}
    settings = pip_settings(environment)
    for name, (variable, separator) in _UV.items():
        words = shlex.split(settings.get(name, ""))
        if words and variable not in environment:
            found[variable] = separator.join(words)
    if "UV_INDEX" in found:
        # As pip means it: all indexes are equal, and the best version of any is taken.
        found.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return {name: value for name, value in found.items() if name not in environment}


def pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """pip's settings as pip itself reads them: files from the system's to the interpreter's, then
    variables."""
    found: dict[str, str] = {}
    for path in _files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself says what is wrong with it
        for section in _SECTIONS:
            if parser.has_section(section):
                found |= {_spelled(name): value for name, value in parser.items(section)}
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            found[_spelled(name.removeprefix("PIP_"))] = value
    return found


def _spelled(name: str) -> str:
    return name.lower().replace("_", "-")


def _files(environment: Mapping[str, str]) -> list[Path]:
    given = environment.get("PIP_CONFIG_FILE")
    if given == os.devnull:
        return []
    home = Path(environment.get("HOME", "/"))
    system = environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    found = [Path(folder) / "pip" / "pip.conf" for folder in system if folder]
    found += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]
    found.append(Path(sys.prefix) / "pip.conf")
    return [*found, Path(given)] if given else found
