"""The agent of a device: looks at what is desired, has it done, and reports."""

import json
import os
import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import Conflict, WorkspaceError, shown
from ml_workspace_lab.models.packages.edge_agent.house import House, Patience
from ml_workspace_lab.models.packages.edge_agent.images import Images
from ml_workspace_lab.models.packages.edge_agent.keeper import Keeper
from ml_workspace_lab.models.packages.edge_agent.outbox import Outbox
from ml_workspace_lab.models.packages.edge_agent.source import Source
from ml_workspace_lab.models.packages.edge_agent.web import Place
from ml_workspace_lab.storage.files import FileLock, disk_errors, write_atomic

INTERVAL_SECONDS = 60.0
AT_ONCE_MOST = 50
"""Batches of messages that are sent in one go."""


@dataclass(frozen=True)
class Plan:
    """What an agent is told: where the desired state is, the folder that is its own, seconds
    between two looks, where reports go (None: nowhere), and its patience with new versions."""

    desired: str
    folder: Path
    interval: float = INTERVAL_SECONDS
    report: str | None = None
    token: str | None = field(default=None, repr=False)
    report_token: str | None = field(default=None, repr=False)
    patience: Patience = field(default_factory=Patience)


class Agent:
    """The agent in a folder, which is its alone. Raises Conflict where another one has it,
    InvalidInput where an address is none."""

    def __init__(self, plan: Plan, told: Callable[[str], None]) -> None:
        self._report_to = Place(plan.report, plan.report_token) if plan.report else None
        folder = plan.folder
        with disk_errors():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FileLock(folder / "agent.lock")
        if not self._lock.acquire():
            raise Conflict(f"Another agent has the folder {shown(folder)}.", field="folder")
        self._plan = plan
        self._told = told
        self._source = Source(plan.desired, folder, plan.token)
        self._house = House(folder, _device(folder), Images(folder), plan.patience, told)
        self._outbox = Outbox(folder) if self._report_to else None
        self._keepers: dict[str, Keeper] = {}
        self._left = threading.Event()
        self._reported: dict[str, Any] = {}
        self._trouble: dict[str, str] = {}

    def leave(self) -> None:
        """End the modules gently, and then `run`."""
        self._left.set()
        self._house.changed.set()

    def run(self) -> None:
        """Do what is desired until it is time to leave. SIGKILL leaves the modules at work: the
        next agent takes them up."""
        next_look = 0.0
        while not self._left.is_set():
            is_due = time.monotonic() >= next_look
            if is_due:
                next_look = time.monotonic() + self._plan.interval
            try:
                self._step(is_due=is_due)
            except Exception as error:  # noqa: BLE001 - the modules go on, whatever happens
                self._tell_trouble("agent", f"{type(error).__name__}: {error}")
            self._house.changed.wait(max(0.0, next_look - time.monotonic()))
            self._house.changed.clear()
        self._end()

    def _step(self, *, is_due: bool) -> None:
        """Report what is news; where it is due look at what is desired before."""
        if is_due:
            self._look()
        is_news = self._report()
        if is_due:
            self._keep_telemetry()
            self._tidy()
        if is_due or is_news:
            self._send()

    def _look(self) -> None:
        is_new = self._source.look()
        self._tell_trouble("desired", self._source.trouble)
        desired = self._source.desired
        if desired is None:
            return
        if is_new:
            self._told(f"desired: {', '.join(desired.modules) or 'no modules'}")
        for name in {*desired.modules, *self._known()}:
            keeper = self._keepers.get(name)
            if keeper is None or keeper.is_gone:
                keeper = self._keepers[name] = Keeper(self._house, name)
            keeper.want(desired.modules.get(name), desired.credentials)

    def _known(self) -> set[str]:
        """Modules that there are, or were."""
        place = self._house.folder / "modules"
        there = {one.name for one in place.iterdir()} if place.is_dir() else set()
        return there | {name for name, keeper in self._keepers.items() if not keeper.is_gone}

    def _report(self) -> bool:
        """Write down what there is; whether that is news."""
        modules = {n: k.report() for n, k in sorted(self._keepers.items()) if not k.is_gone}
        found = {
            "device": self._house.device,
            "host": platform.node(),
            "desired": {"source": self._plan.desired, "trouble": self._source.trouble},
            "modules": modules,
        }
        if found == self._reported:
            return False
        content = json.dumps({**found, "time": time.time()}, indent=2).encode() + b"\n"
        try:
            write_atomic(self._house.folder / "reported.json", content)
            if self._outbox is not None:
                self._outbox.add("reported", found)
        except (OSError, WorkspaceError) as error:
            self._tell_trouble("reported", str(error))
            return False
        self._tell_trouble("reported", "")
        self._reported = found
        return True

    def _keep_telemetry(self) -> None:
        if self._outbox is None:
            return
        try:
            for keeper in self._keepers.values():
                if (line := keeper.counting.line()) is not None:
                    self._outbox.add("telemetry", {"device": self._house.device, **line})
                    keeper.counting.told()
        except (OSError, WorkspaceError) as error:
            self._tell_trouble("telemetry", str(error))
        else:
            self._tell_trouble("telemetry", "")

    def _send(self) -> None:
        """Send what waits, in its order; what is not taken waits on."""
        if self._outbox is None or self._report_to is None:
            return
        try:
            for _ in range(AT_ONCE_MOST):
                content, last = self._outbox.waiting()
                if not content or self._left.is_set():
                    break
                self._report_to.post(content)
                self._outbox.taken(last)
        except (OSError, WorkspaceError) as error:
            self._tell_trouble("reports", str(error))
        else:
            self._tell_trouble("reports", "")

    def _tidy(self) -> None:
        """Let images go that no module needs."""
        keepers = [keeper for keeper in self._keepers.values() if not keeper.is_gone]
        if self._source.desired is not None and all(keeper.is_settled for keeper in keepers):
            self._house.images.keep_only({d for keeper in keepers for d in keeper.digests})

    def _tell_trouble(self, what: str, words: str) -> None:
        """Say what goes wrong once, and once that it doesn't any more."""
        if words != self._trouble.get(what, ""):
            self._told(f"{what}: {words or 'fine again'}")
        self._trouble[what] = words

    def _end(self) -> None:
        self._house.images.leaving.set()
        self._keep_telemetry()
        self._house.fetching.shutdown(wait=False, cancel_futures=True)
        for keeper in self._keepers.values():
            keeper.leave()
        for keeper in self._keepers.values():
            keeper.join()
        self._report()
        self._lock.release()


def _device(folder: Path) -> str:
    """What tells this device's reports from others', and its processes."""
    path = folder / "device"
    with suppress(FileNotFoundError):
        if found := path.read_text(encoding="ascii").strip():
            return found
    found = os.urandom(8).hex()
    write_atomic(path, found.encode(), durable=True)
    return found
