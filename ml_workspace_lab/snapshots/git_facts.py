"""What git knows of a folder: commit, branch, remote, and what is not committed.

A repository's own configuration can name programs that git runs (hooks, filters, monitors, diff
tools). None of them is run here, and neither the user's nor the system's configuration is read.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct, field

TIMEOUT = 5.0
PATCH_LIMIT = 4 * 1024 * 1024
PATCH = "git/uncommitted.patch"

_SAFE = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.untrackedCache=false",
    "core.preloadIndex=false",
    "diff.external=",
    "submodule.recurse=false",
    "protocol.allow=never",
)
_SECRETS = (
    ".env", ".env.*", ".netrc", "*.pem", "*.key", "*.pfx", "*.p12", "id_rsa*", "id_ed25519*",
    "credentials.json", "secrets.*",
)  # fmt: skip


class GitFacts(Struct, frozen=True):
    """`patch` is what differs from the commit in files that git tracks, without such as may hold
    secrets; None where nothing does, or it is too large."""

    commit: str
    branch: str
    remote: str
    dirty: bool
    patch: bytes | None = field(default=None)

    def properties(self) -> dict[str, str]:
        """As Azure ML and MLflow name them."""
        facts = {
            "commit": self.commit,
            "branch": self.branch,
            "repository_uri": self.remote,
            "dirty": str(self.dirty),
        }
        found = {f"azureml.git.{name}": value for name, value in facts.items() if value}
        mlflow = {"commit": self.commit, "branch": self.branch, "repoURL": self.remote}
        return found | {f"mlflow.source.git.{name}": v for name, v in mlflow.items() if v}


def git_facts(folder: Path) -> GitFacts | None:
    """None where the folder is in no repository, has no commit, or git is missing or too slow."""
    folder = folder.absolute()
    if not any((one / ".git").exists() for one in (folder, *folder.parents)):
        return None
    try:
        return _facts(folder)
    except (OSError, subprocess.SubprocessError):
        return None


def _facts(folder: Path) -> GitFacts | None:
    config = _git(folder, ["config", "--list", "-z"])
    settings = dict(
        entry.partition("\n")[::2] for entry in config.decode(errors="replace").split("\0")
    )
    if any("=" in name for name in settings):  # can't be replaced by an option
        return None
    safe = _without_programs(settings)
    status = _git(
        folder,
        ["status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules=all"],
        safe,
    ).decode(errors="replace")
    commit = _header(status, "branch.oid")
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return None
    dirty = any(not line.startswith("#") for line in status.splitlines())
    return GitFacts(
        commit,
        _header(status, "branch.head").replace("(detached)", ""),
        without_credentials(settings.get("remote.origin.url", "")),
        dirty,
        _patch(folder, safe) if dirty else None,
    )


def _header(status: str, name: str) -> str:
    found = re.search(rf"^# {re.escape(name)} (.*)$", status, re.MULTILINE)
    return found[1] if found else ""


def _patch(folder: Path, safe: Sequence[str]) -> bytes | None:
    without = [f":(exclude,top,glob,icase)**/{name}" for name in _SECRETS]
    words = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary"]
    words += ["--ignore-submodules=all", "HEAD", "--", ":(top)", *without]
    found = _git(folder, words, safe)
    return found if found and len(found) <= PATCH_LIMIT else None


def _without_programs(settings: Mapping[str, str]) -> list[str]:
    """Settings that take the place of those in the repository that name programs."""
    found = []
    for name in settings:
        if re.fullmatch(r"filter\..*\.(clean|smudge|process)", name, re.DOTALL):
            found.append(f"{name}=")
        elif re.fullmatch(r"filter\..*\.required", name, re.DOTALL):
            found.append(f"{name}=false")
    return found


def _git(folder: Path, words: Sequence[str], settings: Sequence[str] = ()) -> bytes:
    options = [word for setting in (*_SAFE, *settings) for word in ("-c", setting)]
    command = ["git", "--no-optional-locks", "--no-pager", "--literal-pathspecs", *options, *words]
    if "diff" in words:
        command.remove("--literal-pathspecs")
    ended = subprocess.run(
        command,
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=TIMEOUT,
        check=True,
    )
    return ended.stdout


def _environment() -> dict[str, str]:
    """The caller's, without what tells git to look elsewhere or to run something."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }


def without_credentials(url: str) -> str:
    """The address of a remote without user, password and query."""
    if "://" not in url:
        return re.sub(r"^[^@/]*@", "", url)  # host:path, as ssh has it
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
