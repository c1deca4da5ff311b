"""The folder of an instance: what stays, and what each start of its server has for itself.

instances/NAME/files/               the working folder of its user
instances/NAME/jupyter/             settings of its Jupyter server, kernels
instances/NAME/token                what opens the server, for this account's eyes only
instances/NAME/created              the creation script has succeeded
instances/NAME/log.txt, log.*       what scripts and server print, as far as it is kept
instances/NAME/launches/NUMBER/     one start of the server: its order, lock, runtime files
      of one that is a job elsewhere: of the process here that keeps the job
      .../there/ATTEMPT/            and of the server itself
"""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ml_workspace_lab.compute.instances.model import InstanceState, SetupScripts
from ml_workspace_lab.compute.instances.placement import Placement
from ml_workspace_lab.storage.bounded_log import BoundedLog
from ml_workspace_lab.storage.files import disk_errors, write_atomic
from ml_workspace_lab.supervision import ProcessFolder

THERE = "there"


class Order(msgspec.Struct, frozen=True):
    """What a server is told when it is started. `environment` is NAME:VERSION; a free port is taken
    where `port` is 0 or taken."""

    name: str
    workspace: str
    environment: str | None
    scripts: SetupScripts
    variables: dict[str, str]
    port: int
    placement: Placement | None = None
    reached_from: str = ""
    """The address from which a server elsewhere will be asked."""


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    port: int
    base_url: str
    host: str = "127.0.0.1"


class JobRecord(msgspec.Struct, frozen=True):
    """The job that is the server: written before it is submitted, so that none is lost. Its number
    is empty until the engine has given one."""

    attempt: int
    native_id: str = ""
    is_over: bool = False


class InstanceFolder:
    """The folder of one instance."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def files(self) -> Path:
        return self.path / "files"

    @property
    def jupyter(self) -> Path:
        return self.path / "jupyter"

    @property
    def token(self) -> Path:
        return self.path / "token"

    @property
    def created(self) -> Path:
        return self.path / "created"

    @property
    def port(self) -> Path:
        """Where the server listened last: an open page finds it there again."""
        return self.path / "port"

    @property
    def log(self) -> BoundedLog:
        return BoundedLog(self.path / "log.txt")

    def launch(self, number: int) -> "LaunchFolder":
        return LaunchFolder(self.path / "launches" / str(number))

    def launches(self) -> list["LaunchFolder"]:
        """Every start that has a folder."""
        try:
            found = list((self.path / "launches").iterdir())
        except FileNotFoundError:
            return []
        return [LaunchFolder(path) for path in found if path.name.isdecimal()]

    def make(self, token: str) -> None:
        """Make what stays of it. Raises StorageFull; nothing is left then."""
        try:
            with disk_errors():
                for path in (self.path, self.files, self.jupyter):
                    path.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self.token, token.encode())
        except BaseException:
            self.remove()
            raise

    def last_port(self) -> int:
        """0 where it has never listened."""
        try:
            return int(self.port.read_text())
        except (OSError, ValueError):
            return 0

    def tail(self, lines: int, limit: int = 16 * 1024) -> str:
        """The last lines of its log, of its last `limit` bytes."""
        text = self.log.since(self.log.end() - limit)
        return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])

    def measure(self) -> tuple[int, int]:
        """How many files its user has there, and their bytes."""
        sizes = list(_sizes(self.files))
        return len(sizes), sum(sizes)

    def remove(self) -> None:
        """Remove all of it. What can't be removed at once is what a next try is for."""
        shutil.rmtree(self.path, ignore_errors=True)


class LaunchFolder(ProcessFolder):
    """The folder of one start of an instance's server."""

    variable = "ML_WORKSPACE_INSTANCE"

    @classmethod
    def at(cls, path: Path) -> "LaunchFolder":
        """The folder of a server, here or elsewhere, as it is told its path."""
        return ThereFolder(path) if path.parent.name == THERE else cls(path)

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def instance(self) -> InstanceFolder:
        return InstanceFolder(self.path.parent.parent)

    def there(self, attempt: int) -> "ThereFolder":
        return ThereFolder(self.path / THERE / str(attempt))

    @property
    def order(self) -> Path:
        return self.path / "order.json"

    @property
    def phase(self) -> Path:
        """The state that the process is in, by its own word: SettingUp, UserSettingUp, Running."""
        return self.path / "phase"

    @property
    def ended(self) -> Path:
        """Written by a server that was shut down in order; it may say why."""
        return self.path / "ended"

    @property
    def ending(self) -> Path:
        """Why a job ended that was not to."""
        return self.path / "ending"

    @property
    def notice(self) -> Path:
        """What its job waits for, in one line."""
        return self.path / "notice"

    @property
    def job(self) -> Path:
        return self.path / "job.json"

    @property
    def to_end(self) -> Path:
        """It is asked to end: what tells that from a signal to all processes of a machine."""
        return self.path / "to_end"

    def ask_to_end(self) -> None:
        """A keeper looks for the file, and has its job ended before it leaves."""
        self.to_end.touch()
        if not self.has_job():
            super().ask_to_end()

    @property
    def runtime(self) -> Path:
        """The runtime folder of the Jupyter server."""
        return self.path / "runtime"

    @property
    def activity(self) -> Path:
        """When something was last at work there, as the background process was told."""
        return self.path / "activity"

    def make(self, order: Order) -> None:
        with disk_errors():
            self.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self.order, msgspec.json.encode(order))

    def read_order(self) -> Order:
        return msgspec.json.decode(self.order.read_bytes(), type=Order)

    def read_job(self) -> JobRecord | None:
        try:
            return msgspec.json.decode(self.job.read_bytes(), type=JobRecord)
        except FileNotFoundError:
            return None

    def write_job(self, record: JobRecord) -> None:
        write_atomic(self.job, msgspec.json.encode(record), durable=True)

    def has_job(self) -> bool:
        """Whether an engine has, or may have, something of it."""
        found = self.read_job()
        return found is not None and not found.is_over

    def read_phase(self) -> InstanceState | None:
        try:
            return InstanceState(self.phase.read_text())
        except (OSError, ValueError):
            return None

    def address(self) -> Address | None:
        """None while the server does not listen."""
        for file in self.runtime.glob("jpserver-*.json"):
            try:
                found = json.loads(file.read_text(encoding="utf-8"))
                host = str(found["hostname"])
                return Address(int(found["port"]), str(found["base_url"]), host)
            except (OSError, ValueError, KeyError, TypeError):
                continue  # It is being written.
        return None

    def last_activity(self) -> int | None:
        try:
            return int(self.activity.read_text())
        except (OSError, ValueError):
            return None


class ThereFolder(LaunchFolder):
    """The folder of a server that is a job elsewhere, which sees it under the same path. Its lock
    and process are another machine's: whether that is there its engine knows."""

    @property
    def number(self) -> int:
        return int(self.path.parent.parent.name)

    @property
    def instance(self) -> InstanceFolder:
        return InstanceFolder(self.path.parents[3])


def said_in(file: Path) -> str:
    """What a process has written there; empty where it has not."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found = (Path(place) / name).lstat()
            except OSError:
                continue  # It went meanwhile.
            yield found.st_size if stat.S_ISREG(found.st_mode) else 0
