"""Slurm's commands, called with a time limit: its steadiest interface across releases."""

import os
import shutil
import subprocess

from ml_workspace_lab.compute.driver import Unreachable
from ml_workspace_lab.compute.slurm.settings import SlurmSettings

PASSED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "SLURM_CONF", "TZ", "USER")
"""The variables that commands get, and by sbatch every job: no token of this process, and no
`SBATCH_` variable that would change what is asked for."""

NO_ANSWER = (
    "Unable to contact slurm controller",
    "Unable to connect to slurm daemon",
    "Unable to establish",
    "Connection refused",
    "Connection timed out",
    "Communication connection failure",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Transport endpoint is not connected",
    "standby mode",
    "Munge",
    "authentication error",
    "Resource temporarily unavailable",
    "Slurm temporarily unable",
    "Communication shutdown failure",
    "Unable to read configuration",
    "slurmdbd",
)
"""What commands say where the request did not come to a decision."""


class Failed(Exception):
    """Slurm's own word on why it did not do what was asked."""


class Commands:
    """Runs commands as the owner of the workspace, in an environment that is always the same."""

    def __init__(self, settings: SlurmSettings) -> None:
        self._folder = settings.commands
        self._timeout = settings.timeout_seconds
        self._environment = {name: os.environ[name] for name in PASSED if name in os.environ}
        # Times and messages are read, so they must not follow the language of the user.
        self._environment["LC_ALL"] = "C.UTF-8"
        if settings.config is not None:
            self._environment["SLURM_CONF"] = settings.config

    def find(self, program: str) -> str | None:
        """The path of a command, None where it is not installed."""
        return shutil.which(program, path=self._folder or self._environment.get("PATH"))

    def ask(self, program: str, *words: str) -> str:
        """The answer to a question. One that is refused was not answered: Unreachable, too."""
        try:
            return self.run(program, *words)
        except Failed as error:
            raise Unreachable(str(error)) from None

    def run(self, program: str, *words: str, given: str = "") -> str:
        """What the command prints. Raises Failed with what it says where it refuses, Unreachable
        where it could not find out or is not there."""
        path = self.find(program)
        if path is None:
            where = f"in {self._folder}" if self._folder else "on this machine"
            raise Unreachable(f"There is no command {program!r} {where}.")
        try:
            done = subprocess.run(
                [path, *words],
                env=self._environment,
                input=given,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            reason = f"{program} did not answer within {self._timeout:g} s."
            raise Unreachable(reason) from None
        if done.returncode == 0:
            return done.stdout
        said = _message(done.stderr) or _message(done.stdout)
        said = said or f"{program} ended with exit code {done.returncode}."
        if any(words in done.stderr for words in NO_ANSWER):
            raise Unreachable(said)
        raise Failed(said)


def _message(printed: str) -> str:
    """The last line that a command wrote about its trouble, without the names that lead it."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if not lines:
        return ""
    _, mark, message = lines[-1].partition("error: ")
    return message if mark else lines[-1]
