"""The folder of an instance: what stays, and what each start of its server has for itself.

instances/NAME/files/               the working folder of its user
instances/NAME/jupyter/             settings of its Jupyter server, kernels
instances/NAME/token                what opens the server, for this account's eyes only
instances/NAME/created              the creation script has succeeded
instances/NAME/log.txt, log.*       what scripts and server print, as far as it is kept
instances/NAME/launches/NUMBER/     one start of the server: its order, lock, runtime files
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
from ml_workspace_lab.storage.bounded_log import BoundedLog
from ml_workspace_lab.storage.files import disk_errors, write_atomic
from ml_workspace_lab.supervision import ProcessFolder


class Order(msgspec.Struct, frozen=True):
    """What a server is told when it is started. `environment` is NAME:VERSION; a free port is taken
    where `port` is 0 or taken."""

    name: str
    workspace: str
    environment: str | None
    scripts: SetupScripts
    variables: dict[str, str]
    port: int


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    port: int
    base_url: str


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

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def instance(self) -> InstanceFolder:
        return InstanceFolder(self.path.parent.parent)

    @property
    def order(self) -> Path:
        return self.path / "order.json"

    @property
    def phase(self) -> Path:
        """The state that the process is in, by its own word: SettingUp, UserSettingUp, Running."""
        return self.path / "phase"

    @property
    def ended(self) -> Path:
        """Written by a server that was shut down in order."""
        return self.path / "ended"

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
                return Address(int(found["port"]), str(found["base_url"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # It is being written.
        return None

    def last_activity(self) -> int | None:
        try:
            return int(self.activity.read_text())
        except (OSError, ValueError):
            return None


def _sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found = (Path(place) / name).lstat()
            except OSError:
                continue  # It went meanwhile.
            yield found.st_size if stat.S_ISREG(found.st_mode) else 0
