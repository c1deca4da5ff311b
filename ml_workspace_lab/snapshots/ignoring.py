"""Which files are left out by rule: our defaults, `.gitignore` and `.amlignore` together.

Rules of a folder are stronger than those above it, `.amlignore` than `.gitignore`, and a later line
than an earlier one; `!line` takes files back in. Our defaults are the weakest of all.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

IGNORE_FILES = (".gitignore", ".amlignore")

_LEFT_OUT = """
.git .hg .svn .venv __pycache__ .ipynb_checkpoints .mypy_cache .pytest_cache .ruff_cache .tox .nox
.cache node_modules .mlworkspace .azureml .virtual_documents outputs logs
"""
_MAY_HOLD_SECRETS = """
.env .netrc _netrc .pypirc .git-credentials .pgpass .htpasswd .dockercfg .npmrc .s3cfg .boto
credentials.json service-account.json secrets.json secrets.yaml secrets.yml secrets.toml kaggle.json
"""
_FOLDERS = frozenset(_LEFT_OUT.split())
_FILES = frozenset([".DS_Store", "Thumbs.db"])
_ENDINGS = (".pyc", ".pyo", ".swp", "~")

SECRET = "may hold secrets"  # noqa: S105 - words of ours
_SECRET_FOLDERS = frozenset([".aws", ".ssh", ".gnupg", ".azure", ".kube"])
_SECRET_FILES = frozenset(_MAY_HOLD_SECRETS.split())
_SECRET_STARTS = (".env.", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519")
_SECRET_ENDINGS = (".pem", ".key", ".pfx", ".p12", ".jks", ".keystore", ".kdbx", ".ppk")
_SAMPLES = (".example", ".sample", ".template", ".dist")


class _Rule(NamedTuple):
    """The lines of one folder's ignore files. Paths below our root are asked about with `prefix`
    (the root's, from a folder above it) or without their first `skip` characters (the folder's)."""

    prefix: str
    skip: int
    spec: Any

    def decides(self, path: str) -> bool | None:
        """Whether a path is to be left out; None where no line says so or the contrary."""
        decided: bool | None = self.spec.check_file(self.prefix + path[self.skip :]).include
        return decided


class Rules:
    """The rules that hold in one folder. `key` is the same for equal rules."""

    def __init__(self, rules: Sequence[_Rule] = (), key: str = "") -> None:
        self._rules = tuple(rules)
        self.key = key

    def below(self, lines: Sequence[str], *, prefix: str = "", skip: int = 0) -> "Rules":
        """These, and stronger ones of a folder further down."""
        if not lines:
            return self
        rule = _Rule(prefix, skip, _spec(lines))
        if prefix and rule.decides(""):
            return self  # The root itself is left out of the repository, and is meant all the same.
        text = "\n".join([self.key, f"{prefix}/{skip}", *lines])
        key = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        return Rules([*self._rules, rule], key)

    def verdict(self, path: str, *, is_folder: bool) -> str | None:
        """None for what is in; else why it isn't, empty for what nobody expects there."""
        asked = f"{path}/" if is_folder else path
        for rule in reversed(self._rules):
            decided = rule.decides(asked)
            if decided is not None:
                return "" if decided else None
        name = path.rpartition("/")[2]
        return _folder_verdict(name) if is_folder else _file_verdict(name)


def _spec(lines: Sequence[str]) -> Any:
    """What the lines match. One that can't be understood is no reason to refuse a run."""
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines([line for line in lines if _is_sound(line)])


def _is_sound(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _folder_verdict(name: str) -> str | None:
    if name in _FOLDERS:
        return ""
    return SECRET if name in _SECRET_FOLDERS else None


def _file_verdict(name: str) -> str | None:
    if name in _FILES or name.endswith(_ENDINGS):
        return ""
    if name in _SECRET_FILES or name.endswith(_SECRET_ENDINGS):
        return SECRET
    if name.startswith(_SECRET_STARTS) and not name.endswith((".pub", *_SAMPLES)):
        return SECRET
    return None


def lines_of(folder: Path, names: Sequence[str]) -> list[str]:
    """The lines of a folder's ignore files, of which `names` has those that there are."""
    found: list[str] = []
    for name in IGNORE_FILES:
        if name in names:
            found += _lines(folder / name)
    return found


def of_repository(root: Path) -> Rules:
    """The rules for the folder `root` of those above it, where it is in a repository."""
    top = next((one for one in (root, *root.parents) if (one / ".git").exists()), None)
    if top is None:
        return Rules()
    above = [one for one in root.parents if one.is_relative_to(top)]
    rules = Rules().below(_lines(top / ".git" / "info" / "exclude"), prefix=_prefix(top, root))
    for folder in reversed(above):
        rules = rules.below(lines_of(folder, IGNORE_FILES), prefix=_prefix(folder, root))
    return rules


def _prefix(folder: Path, root: Path) -> str:
    return "" if folder == root else root.relative_to(folder).as_posix() + "/"


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
