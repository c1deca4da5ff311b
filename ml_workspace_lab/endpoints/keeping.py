"""Keeps endpoints as their records want them: each deployment by the driver of its target."""

import shutil

from ml_workspace_lab.endpoints import deployment_store, store
from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.drivers.aside import Aside
from ml_workspace_lab.endpoints.drivers.driver import DeploymentDriver, Observed
from ml_workspace_lab.endpoints.drivers.local import LocalDriver
from ml_workspace_lab.endpoints.folder import EndpointFolder
from ml_workspace_lab.endpoints.model import LOCAL, EndpointState
from ml_workspace_lab.endpoints.placing import place
from ml_workspace_lab.endpoints.rollback import Watcher
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.services import Services
from ml_workspace_lab.trouble import kept_apart


class EndpointKeeper:
    """The keeper of all endpoints of a workspace."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._local = LocalDriver(services)
        self._aside = Aside(services)
        self._watcher = Watcher(services, self._local.belongings)

    def step(self) -> bool:
        """Look once at every endpoint. Returns whether there is any, or something left of one."""
        wanted = {w.info.name: w for w in store.endpoints(self._services.storage.database)}
        root = self._services.storage.root / "endpoints"
        is_left = False
        for path in list(root.iterdir()) if root.is_dir() else []:
            if path.name not in wanted:
                is_left = not self._remove(EndpointFolder(path)) or is_left
        self._watcher.forget(wanted)
        for one in wanted.values():
            with kept_apart(f"endpoint {one.info.name}"):
                self._look_after_all(one)
        return bool(wanted) or is_left

    def _look_after_all(self, endpoint: Wanted) -> None:
        folder = EndpointFolder(self._services.storage.endpoint(endpoint.info.name))
        place(endpoint, folder, self._local.belongings)
        for wanted in endpoint.deployments:
            with kept_apart(f"deployment {wanted.info.name} of {endpoint.info.name}"):
                self._look_after(endpoint, wanted)
        self._local.retire_strays(folder, endpoint)
        self._aside.remove_strays(folder, endpoint)
        self._watcher.look(endpoint, folder)

    def _look_after(self, endpoint: Wanted, wanted: WantedDeployment) -> None:
        is_here = wanted.info.compute_target == LOCAL
        driver: DeploymentDriver = self._local if is_here else self._aside
        driver.apply(endpoint, wanted)
        seen = driver.observe(endpoint, wanted)
        if not is_here:
            self._note_replicas(wanted, seen)
            seen = self._relayed(endpoint, wanted, seen)
        if seen is None or (seen.state, seen.reason) == (wanted.info.state, wanted.info.reason):
            return
        deployment_store.set_state(
            self._services.storage.database,
            wanted.endpoint,
            wanted.info.name,
            wanted.generation,
            seen.state,
            seen.reason,
        )

    def _note_replicas(self, wanted: WantedDeployment, seen: Observed | None) -> None:
        if seen is not None and seen.ready not in (None, wanted.info.workers):
            deployment_store.set_workers(
                self._services.storage.database,
                wanted.endpoint,
                wanted.info.name,
                wanted.generation,
                seen.ready or 0,
            )

    def _relayed(
        self, endpoint: Wanted, wanted: WantedDeployment, far: Observed | None
    ) -> Observed | None:
        """How a deployment elsewhere is, seen from here: it is reached by way of a process of this
        machine, which is there from when it first answers, until another one does."""
        generation = EndpointFolder(self._services.storage.endpoint(wanted.endpoint)).generation(
            wanted.generation
        )
        is_well = far is not None and far.state is EndpointState.HEALTHY
        if far is None or far.address is None or not (is_well or generation.deployment.exists()):
            self._local.keep_former(wanted)
            return far
        self._local.relay(endpoint, wanted, far.address)
        near = self._local.observe(endpoint, wanted)
        if not is_well or (near is not None and near.state is EndpointState.HEALTHY):
            return far
        return near

    def _remove(self, folder: EndpointFolder) -> bool:
        """Leave nothing of an endpoint; whether nothing is left."""
        self._local.end_all(folder)
        if not self._aside.remove_strays(folder, None):
            return False
        shutil.rmtree(folder.path, ignore_errors=True)
        return True
