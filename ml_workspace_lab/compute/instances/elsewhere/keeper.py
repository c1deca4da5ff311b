"""Keeps the job of an instance: from its submission until nothing of it is left."""

import http.client
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from ml_workspace_lab.compute.driver import Probe, Refused
from ml_workspace_lab.compute.instances.activity import ask
from ml_workspace_lab.compute.instances.elsewhere.job import LOOK_SECONDS, Job
from ml_workspace_lab.compute.instances.elsewhere.passage import open_passage
from ml_workspace_lab.compute.instances.folder import Address, LaunchFolder
from ml_workspace_lab.compute.instances.model import InstanceState
from ml_workspace_lab.compute.kinds import make_driver
from ml_workspace_lab.network import own_address
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.workspace import folder

PASSED = "jpserver-passed.json"
"""Where the server is found here, written as a server of this machine writes it."""


class Keeper:
    """What it says it says in the folder of the start, as a server of this machine does."""

    def __init__(self, launch: LaunchFolder, is_to_end: Callable[[], bool]) -> None:
        self._launch = launch
        self._is_to_end = is_to_end
        self._order = launch.read_order()
        placement = self._order.placement
        assert placement is not None
        self._placement = placement
        self._told = ""
        launch.notice.unlink(missing_ok=True)  # another one's
        # What its job prints at first is put into the folder of this start, and goes with it.
        driver = make_driver(placement.kind, placement.target, placement.settings, launch.path)
        there = msgspec.structs.replace(self._order, port=0, reached_from=own_address())
        self._job = Job(launch, there, placement, driver, self._tell)

    def keep(self) -> int:
        """Returns an exit code when the job is over, whoever wanted that."""
        try:
            while not self._is_to_end():
                if self._job.submit() and (found := self._look()) is not None:
                    return self._conclude(found)
                time.sleep(LOOK_SECONDS)
        except Refused as error:
            self._job.close()
            self._launch.fail(f"{self._placement.target} does not take it: {error}")
            return 1
        self._job.end(self._is_detached)
        return 0

    def _is_detached(self) -> bool:
        """Whether the target was given up, with all that goes on there."""
        services = Services(folder.open_(Path(self._order.workspace)))
        return all(one.name != self._placement.target for one in services.computes.targets())

    def _look(self) -> Probe | None:
        """How it ended; None as long as it has not."""
        found = self._job.probe()
        _list_anew(self._job.there.path)
        self._follow()
        if found is None:
            return None
        if found.is_over:
            return None if self._answers() else found
        is_awaited = self._job.there.read_phase() is None
        self._tell(f"{self._job.words}: {found.reason}" if is_awaited and found.reason else "")
        return None

    def _follow(self) -> None:
        """Say of the server here what it says there."""
        there = self._job.there
        phase = there.read_phase()
        if phase is None or phase is self._launch.read_phase():
            return
        if phase is InstanceState.RUNNING:
            address = there.address()
            if address is None:
                return
            self._pass_on(address)
        write_atomic(self._launch.phase, phase.encode())

    def _pass_on(self, address: Address) -> None:
        port = open_passage(address, self._launch.instance.last_port())
        told = {"hostname": "127.0.0.1", "port": port, "base_url": address.base_url}
        write_atomic(self._launch.runtime / PASSED, json.dumps(told).encode())

    def _answers(self) -> bool:
        """Whether the server is there, whatever its engine says: it may have lost its records, or
        sight of a machine."""
        address = self._job.there.address()
        if address is None or self._job.there.ended.exists():
            return False
        try:
            ask(address, self._launch.instance.token.read_text())
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return True

    def _conclude(self, found: Probe) -> int:
        """Say how it ended: in order, or so that it is to be started again."""
        there = self._job.there
        has_begun = there.read_phase() is not None
        said = there.read_error()
        was_shut_down = there.ended.exists()
        how = f"{self._job.words} ended: {found.reason or found.phase}."
        if not has_begun:
            print(self._job.said_before(), flush=True)  # noqa: T201 - it belongs into the log
        self._job.close()
        if was_shut_down or found.cause == "timeout":
            is_from_inside = was_shut_down and found.exit_code == 0
            write_atomic(self._launch.ended, b"" if is_from_inside else how.encode())
            return 0
        if said:
            self._launch.fail(said)
        write_atomic(self._launch.ending, how.encode())
        return 1

    def _tell(self, text: str) -> None:
        """Say what its job waits for, once."""
        if text == self._told:
            return
        self._told = text
        write_atomic(self._launch.notice, text.encode())
        if text:
            print(text, flush=True)  # noqa: T201 - it belongs into the log


def _list_anew(path: Path) -> None:
    """A network file system may remember for a minute that a file is not there, unless somebody
    lists its folder."""
    with suppress(OSError):
        list(path.iterdir())
