"""The programs that lock and install: found, started without a shell, and ended with whoever waits
for them."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.environments import package_sources
from ml_workspace_lab.errors import StorageFull, WorkspaceError
from ml_workspace_lab.storage.database import full_disk
from ml_workspace_lab.storage.files import disk_errors

TAIL_LINES = 30
GRACE_SECONDS = 2.0
_LEAKING = (
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_TARGET",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
NO_ROOM = 1 << 20
"""Bytes free below which a tool that fails has met a full disk."""
_FULL = re.compile(rf"No space left on device|Disk quota exceeded|os error {errno.ENOSPC}\b")


class BuildFailed(WorkspaceError):
    """An environment could not be locked or built; `message` has the end of what the tool said."""

    status = 422
    exit_code = 1


def find_uv() -> str | None:
    """uv, of this environment or on the PATH; None where it is not installed."""
    beside = Path(sysconfig.get_path("scripts")) / "uv"
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")


def environment() -> dict[str, str]:
    """What tools are started with: the user's own settings, nothing of the interpreter that runs
    this."""
    found = {n: v for n, v in clean_environment().items() if n not in _LEAKING}
    found |= package_sources.for_uv(found)
    return found | {
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_PROGRESS_BAR": "off",
        "NO_COLOR": "1",
    }


def run(
    arguments: Sequence[str | Path],
    *,
    what: str,
    log: Path,
    variables: Mapping[str, str] | None = None,
    output: Path | None = None,
    told: Callable[[], None] = lambda: None,
    seconds: float | None = None,
) -> None:
    """Start a tool in an empty folder of no project and wait for its end; `told` is called a few
    times a second. Whatever interrupts the wait ends the tool with all that it started. Raises
    BuildFailed with the end of what it said, StorageFull where the disk is full."""
    began = log.stat().st_size if log.exists() else 0
    with disk_errors(), log.open("ab") as said, (output or Path(os.devnull)).open("wb") as result:
        child = subprocess.Popen(
            [str(argument) for argument in arguments],
            env={**environment(), **(variables or {})},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=result if output else said,
            stderr=said,
            process_group=0,
        )
        try:
            code = _wait(child, told, seconds)
        except BaseException:
            _end(child)
            raise
    if code != 0:
        _fail(what, log, began, code)


def _wait(child: "subprocess.Popen[bytes]", told: Callable[[], None], seconds: float | None) -> int:
    waited = 0.0
    while seconds is None or waited < seconds:
        try:
            return child.wait(0.2)
        except subprocess.TimeoutExpired:
            waited += 0.2
            told()
    _end(child)
    return -signal.SIGTERM


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Ask the whole group to end, then end it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def _fail(what: str, log: Path, began: int, code: int) -> NoReturn:
    said = tail(log, began)
    # A tool may also die without a word where there was no room for one.
    if _FULL.search(said) or shutil.disk_usage(log.parent).free < NO_ROOM:
        raise full_disk() from StorageFull(said)
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    raise BuildFailed(f"{what} failed ({how}): {said or 'it said nothing'}")


def tail(log: Path, began: int = 0, lines: int = TAIL_LINES) -> str:
    """The last lines of a log from byte `began` on, without passwords."""
    try:
        with log.open("rb") as file:
            file.seek(max(began, file.seek(0, os.SEEK_END) - 16_384))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return without_credentials("\n".join(text.strip().splitlines()[-lines:]))


def without_credentials(text: str) -> str:
    return _CREDENTIALS.sub("", text)


def find_python(version: str | None) -> str | None:
    """An interpreter of that version: this process's own where it is that, else one on the PATH."""
    own = base_python()
    if version is None or _is(own, version):
        return own
    if uv := find_uv():
        ended = subprocess.run(
            [uv, "python", "find", "--no-project", "--system", version],
            env=environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        found = ended.stdout.strip()
        return found if ended.returncode == 0 and found else None
    found = shutil.which(f"python{'.'.join(version.split('.')[:2])}") or ""
    return found if found and _is(found, version) else None


def base_python() -> str:
    """The interpreter that this environment was made of."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def python_version(python: str) -> str:
    """The full version of an interpreter, as it says itself. Raises BuildFailed where it says
    none."""
    try:
        ended = subprocess.run(
            [python, "-I", "-c", "import platform; print(platform.python_version())"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildFailed(f"The interpreter {python} does not work: {error}") from None
    return ended.stdout.strip()


def _is(python: str, version: str) -> bool:
    found = python_version(python).split(".")
    wanted = version.split(".")
    return found[: len(wanted)] == wanted
