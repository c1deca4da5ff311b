"""Records of environments: this process's, and that of any interpreter of this machine."""

import json
import subprocess
from functools import cache
from pathlib import Path

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.environments import capture
from ml_workspace_lab.environments.record import EnvironmentRecord
from ml_workspace_lab.errors import InvalidInput, shown

PATIENCE_SECONDS = 60


def own_fingerprint() -> str:
    """Changes when a package of this process's environment is installed, removed or replaced."""
    import sys

    return capture.fingerprint(sys.executable, capture.package_folders())


def own_record(variables: tuple[str, ...] = ()) -> EnvironmentRecord:
    """This process's environment, looked at anew only where it has changed."""
    return _own_record(own_fingerprint(), variables)


@cache
def _own_record(_: str, variables: tuple[str, ...]) -> EnvironmentRecord:
    return convert(capture.capture(variables), EnvironmentRecord)


def record_of(python: str, variables: tuple[str, ...] = ()) -> EnvironmentRecord:
    """The environment of another interpreter, which is started for that. Raises InvalidInput where
    it is none, or older than Python 3.8."""
    source = Path(capture.__file__).read_bytes()
    try:
        # From the standard input, so that no folder of this package comes onto its path.
        ended = subprocess.run(
            [python, "-", *variables],
            input=source,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            cwd="/",
            check=True,
        )
        found = json.loads(ended.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise InvalidInput(
            f"{shown(python)} is not a Python interpreter that can be asked what it has: "
            f"{_why(error)}.",
            field="python",
            hint="Name the interpreter's file, such as ENVIRONMENT/bin/python.",
        ) from None
    return convert(found, EnvironmentRecord)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it did not answer within {PATIENCE_SECONDS} s"
    if isinstance(error, subprocess.CalledProcessError):
        last = error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return last[0] if last else f"exit code {error.returncode}"
    return "what it says is not JSON"
