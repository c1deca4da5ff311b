"""Drivers of targets elsewhere, at work aside: an engine that does not answer, or an image that is
on its way, holds up nothing else."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import msgspec

from ml_workspace_lab.compute.driver import Refused, Unreachable
from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.drivers.driver import FarDriver, Observed
from ml_workspace_lab.endpoints.drivers.elsewhere import Elsewhere, Records
from ml_workspace_lab.endpoints.drivers.kinds import driver_of, far_driver
from ml_workspace_lab.endpoints.folder import EndpointFolder
from ml_workspace_lab.endpoints.model import EndpointState
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.errors import Unavailable, WorkspaceError
from ml_workspace_lab.services import Services
from ml_workspace_lab.trouble import kept_apart

THREADS = 8
LOOK_SECONDS = 1.0
"""How often a deployment is looked at."""


class Aside:
    """Deployments on attached targets, of each of which there is one piece of work at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._records = Records(services.storage.root)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="deployments")
        self._at_work: dict[tuple[str, str], Future[None]] = {}
        self._next: dict[tuple[str, str, str], float] = {}
        self._found: dict[tuple[str, str], tuple[int, Observed]] = {}
        self._drivers: dict[str, tuple[bytes, FarDriver]] = {}
        self._leaving: dict[tuple[str, str, str], FarDriver] = {}

    def apply(self, endpoint: Wanted, wanted: WantedDeployment) -> None:
        """Have a driver go on with it, unless it is at work."""
        key = wanted.endpoint, wanted.info.name
        self._begin(key, "", lambda: self._step(endpoint, wanted))

    def observe(self, endpoint: Wanted, wanted: WantedDeployment) -> Observed | None:  # noqa: ARG002
        generation, found = self._found.get((wanted.endpoint, wanted.info.name), (None, None))
        return found if generation == wanted.generation else None

    def remove_strays(self, folder: EndpointFolder, endpoint: Wanted | None) -> bool:
        """Leave nothing of what is not wanted any more, or has moved and answers where it is now;
        whether there is nothing of it."""
        strays = [one for one in self._records.of(folder) if not self._is_wanted(one, endpoint)]
        for record in strays:
            key = record.endpoint, record.deployment
            self._begin(key, record.place, partial(self._remove, record))
        return not strays

    def _begin(self, key: tuple[str, str], what: str, work: Callable[[], None]) -> None:
        present = self._at_work.get(key)
        if present is not None and not present.done():
            return
        if time.monotonic() < self._next.get((*key, what), 0.0):
            return
        self._next[*key, what] = time.monotonic() + LOOK_SECONDS
        self._at_work[key] = self._threads.submit(_apart, key, work)

    def _step(self, endpoint: Wanted, wanted: WantedDeployment) -> None:
        try:
            driver = self._driver(wanted.info.compute_target)
            driver.apply(endpoint, wanted)
            found = driver.observe(endpoint, wanted)
        except (Unreachable, Unavailable) as error:
            # It says nothing about what serves there. How it is reached may have changed.
            self._drivers.pop(wanted.info.compute_target, None)
            known = self.observe(endpoint, wanted)
            state = wanted.info.state if known is None else known.state
            address = None if known is None else known.address
            found = Observed(state, str(error), address=address)
        except (Refused, WorkspaceError) as error:
            found = Observed(EndpointState.FAILED, str(error))
        if found is not None:
            self._found[wanted.endpoint, wanted.info.name] = wanted.generation, found

    def _driver(self, target: str) -> FarDriver:
        """One for as long as the target is set up so."""
        settings = msgspec.json.encode(self._services.computes.target(target).settings)
        kept = self._drivers.get(target)
        if kept is None or kept[0] != settings:
            kept = settings, far_driver(self._services, target)
            self._drivers[target] = kept
        return kept[1]

    def _remove(self, record: Elsewhere) -> None:
        if all(one.name != record.target for one in self._services.computes.targets()):
            self._records.forget(record)  # It was given up with its target.
            return
        key = record.endpoint, record.deployment, record.place
        # The same one at each look, unless it has failed: it knows what it has tried.
        driver = self._leaving.pop(key, None) or driver_of(
            self._services, record.target, record.kind, record.settings
        )
        if driver.remove(record.endpoint, record.deployment):
            self._records.forget(record)
            self._found.pop((record.endpoint, record.deployment), None)
        else:
            self._leaving[key] = driver

    def _is_wanted(self, record: Elsewhere, endpoint: Wanted | None) -> bool:
        found = [] if endpoint is None else endpoint.deployments
        for one in found:
            if one.info.name != record.deployment:
                continue
            if one.info.compute_target != record.target:
                return one.info.state is not EndpointState.HEALTHY
            known = self._drivers.get(record.target)
            is_moved = known is not None and known[1].place != record.place
            return not is_moved or one.info.state is not EndpointState.HEALTHY
        return False


def _apart(key: tuple[str, str], work: Callable[[], None]) -> None:
    with kept_apart("/".join(key)):  # The next look tries again.
        work()
