"""Keeps the scoring processes as the endpoints' records want them, step by step.

What it needs to know it reads from rows, locks and files, so another supervisor can go on from
there: a process is alive while its lock is held, and answers since `ready` is there.
"""

import shutil
import sys
import time
from dataclasses import dataclass, field

import msgspec

from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.endpoints import deployment_store, store
from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.folder import Deployment, EndpointFolder, GenerationFolder
from ml_workspace_lab.endpoints.model import EndpointState
from ml_workspace_lab.endpoints.placing import Belongings, place
from ml_workspace_lab.endpoints.rollback import Watcher
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import disk_errors, write_atomic
from ml_workspace_lab.storage.paths import below
from ml_workspace_lab.supervision import Known
from ml_workspace_lab.trouble import kept_apart

MAX_CRASHES = 5
MAX_FAILED_STARTS = 2
CALM_SECONDS = 60.0
START_SECONDS = 120.0
HANG_SECONDS = 30.0
RETIRE_SECONDS = 45.0


@dataclass
class Supervisor:
    """The supervisor of all endpoints of a workspace."""

    services: Services
    _seen: dict[str, Known] = field(default_factory=dict)
    _belongings: Belongings = field(default_factory=Belongings)

    def __post_init__(self) -> None:
        self._watcher = Watcher(self.services, self._belongings)

    def step(self) -> bool:
        """Look once at every endpoint. Returns whether there is any."""
        wanted = {w.info.name: w for w in store.endpoints(self.services.storage.database)}
        root = self.services.storage.root / "endpoints"
        for path in list(root.iterdir()) if root.is_dir() else []:
            if path.name not in wanted:
                self._remove(EndpointFolder(path))
        self._watcher.forget(wanted)
        for one in wanted.values():
            with kept_apart(f"endpoint {one.info.name}"):
                self._look_after_all(one)
        return bool(wanted)

    def _look_after_all(self, endpoint: Wanted) -> None:
        folder = EndpointFolder(self.services.storage.endpoint(endpoint.info.name))
        place(endpoint, folder, self._belongings)
        for wanted in endpoint.deployments:
            with kept_apart(f"deployment {wanted.info.name} of {endpoint.info.name}"):
                if wanted.info.state is EndpointState.FAILED:
                    self._keep_former(wanted, folder)
                else:
                    self._look_after(endpoint, wanted, folder)
        for generation in self._belongings.strays(folder, endpoint):
            self._retire(generation)
        self._watcher.look(endpoint, folder)

    def _look_after(
        self, endpoint: Wanted, wanted: WantedDeployment, folder: EndpointFolder
    ) -> None:
        generation = folder.generation(wanted.generation)
        seen = self._seen.setdefault(generation.mark, Known())
        if generation.is_alive():
            self._watch(endpoint, wanted, generation, seen)
        elif seen.is_starting():
            return
        elif seen.has_ended(generation):
            self._crashed(wanted, generation, seen)
        elif seen.may_start():
            self._start(endpoint, wanted, generation, seen)

    def _watch(
        self,
        endpoint: Wanted,
        wanted: WantedDeployment,
        generation: GenerationFolder,
        seen: Known,
    ) -> None:
        silent = generation.silent_seconds()
        if silent is None:
            # One that has been ready and isn't any more was asked to end, and is about to.
            if not seen.was_ready and seen.age > START_SECONDS:
                generation.end()
                self._set_state(wanted, EndpointState.FAILED, f"Not ready after {seen.age:.0f} s.")
            return
        if not seen.was_ready:
            seen.was_ready, seen.began = True, time.monotonic()
            self._note_engine(wanted, generation)
        elif seen.age > CALM_SECONDS:
            seen.crashes = 0
        if silent > HANG_SECONDS:
            generation.end()  # Its loop has stopped turning: the next step starts it again.
            return
        # Those that send it requests are to find it before the one before it goes.
        place(endpoint, generation.endpoint, self._belongings)
        if self._retire_others(wanted, generation):
            self._set_state(wanted, EndpointState.HEALTHY, "")

    def _crashed(self, wanted: WantedDeployment, generation: GenerationFolder, seen: Known) -> None:
        reason = generation.read_error() or f"The scoring process ended: {seen.ending()}."
        self._note_engine(wanted, generation)
        seen.crashed(generation, generation.ready)
        if seen.crashes >= (MAX_CRASHES if seen.was_ready else MAX_FAILED_STARTS):
            reason = self._last_word(wanted, reason, generation)
            self._set_state(wanted, EndpointState.FAILED, reason)
            return
        deployment_store.count_restart(
            self.services.storage.database, wanted.endpoint, wanted.info.name, wanted.generation
        )
        self._set_state(wanted, EndpointState.UNHEALTHY, reason)

    def _keep_former(self, wanted: WantedDeployment, folder: EndpointFolder) -> None:
        """Where an update failed, the deployment before it is the one to be kept alive."""
        former = [g for g in self._others(wanted, folder) if g.served.exists()]
        if not former or former[-1].is_alive():
            return
        generation = former[-1]
        seen = self._seen.setdefault(generation.mark, Known())
        if seen.is_starting():
            return
        if seen.has_ended(generation):
            seen.crashed(generation, generation.ready)
        elif seen.crashes < MAX_CRASHES and seen.may_start():
            try:
                self._launch(generation, seen)
            except (OSError, NotFound, Conflict):
                seen.crashed(generation, generation.ready)

    def _last_word(self, wanted: WantedDeployment, reason: str, failed: GenerationFolder) -> str:
        if any(other.is_alive() for other in self._others(wanted, failed.endpoint)):
            return f"{reason} The deployment before it still serves."
        return reason

    def _others(self, wanted: WantedDeployment, folder: EndpointFolder) -> list[GenerationFolder]:
        """What there is of a deployment besides what is wanted, the newest last."""
        found = self._belongings.of(folder, wanted.info.name)
        return [g for g in found if g.number != wanted.generation]

    def _start(
        self,
        endpoint: Wanted,
        wanted: WantedDeployment,
        generation: GenerationFolder,
        seen: Known,
    ) -> None:
        try:
            self._lay_out(endpoint, wanted, generation)
        except (NotFound, Conflict, InvalidInput) as error:
            self._set_state(wanted, EndpointState.FAILED, error.message)
            return
        try:
            self._launch(generation, seen)
        except (NotFound, Conflict) as error:
            self._set_state(wanted, EndpointState.FAILED, error.message)
        except OSError as error:
            reason = f"{error.filename} could not be started: {error.strerror}."
            self._set_state(wanted, EndpointState.FAILED, reason)

    def _launch(self, generation: GenerationFolder, seen: Known) -> None:
        deployment = msgspec.json.decode(generation.deployment.read_bytes(), type=Deployment)
        # Trust may have been taken back since the deployment was asked for.
        self.services.model_trust.require(deployment.model, deployment.version)
        words = [deployment.python, "-m", "ml_workspace_lab.endpoints.scoring"]
        log = generation.endpoint.log(deployment.deployment)
        environment = {**clean_environment(), **deployment.variables}
        seen.start(generation, [*words, str(generation.path)], environment, log)

    def _lay_out(
        self, endpoint: Wanted, wanted: WantedDeployment, generation: GenerationFolder
    ) -> None:
        """Everything that the process needs, in its folder; a repeat changes nothing."""
        self.services.endpoints.write_rules(wanted.endpoint)
        if generation.deployment.exists():
            return
        blobs = self.services.storage.blobs
        model = self.services.models.version(wanted.info.model, wanted.info.model_version)
        generation.remove()
        with disk_errors():
            generation.model.mkdir(mode=0o700, parents=True)
            for file in model.files:
                target = below(generation.model, file.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                with blobs.open(file.digest) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
            if wanted.info.scoring_script is not None:
                write_atomic(generation.script, blobs.read(wanted.info.scoring_script))
            else:
                self.services.compilations.lay_out(model, generation.compiled)
        deployment = Deployment(
            endpoint=wanted.endpoint,
            deployment=wanted.info.name,
            model=wanted.info.model,
            version=wanted.info.model_version,
            port=endpoint.info.port,
            has_script=wanted.info.scoring_script is not None,
            python=wanted.python or sys.executable,
            variables=wanted.variables,
            request_settings=wanted.info.request_settings,
            engine=wanted.info.engine,
            providers=wanted.info.providers,
        )
        write_atomic(generation.deployment, msgspec.json.encode(deployment))

    def _note_engine(self, wanted: WantedDeployment, generation: GenerationFolder) -> None:
        """Keep what the process found out: which engine answers, and a verdict on the model's graph
        that wasn't there before."""
        found = generation.served_by()
        if found is not None and found != wanted.info.served_by:
            deployment_store.set_served_by(
                self.services.storage.database,
                wanted.endpoint,
                wanted.info.name,
                wanted.generation,
                found,
            )
        self.services.compilations.record(
            wanted.info.model, wanted.info.model_version, generation.compiled, wanted.info.user
        )

    def _retire_others(self, wanted: WantedDeployment, kept: GenerationFolder) -> bool:
        """The deployments before this one finish what they have accepted, and go. Returns whether
        none of them takes requests any more."""
        gone = [self._retire(other) for other in self._others(wanted, kept.endpoint)]
        return all(gone)

    def _retire(self, generation: GenerationFolder) -> bool:
        """Have it finish and go, at once where it takes too long. Returns whether it takes no more
        requests."""
        seen = self._seen.setdefault(generation.mark, Known())
        seen.asked = seen.asked or time.monotonic()
        if generation.is_alive() and time.monotonic() - seen.asked < RETIRE_SECONDS:
            generation.ask_to_end()
            return not generation.ready.exists()
        generation.end()
        generation.remove()
        self._seen.pop(generation.mark, None)
        self._belongings.forget(generation)
        return True

    def _remove(self, folder: EndpointFolder) -> None:
        for generation in folder.generations():
            generation.end()
            self._seen.pop(generation.mark, None)
            self._belongings.forget(generation)
        shutil.rmtree(folder.path, ignore_errors=True)

    def _set_state(self, wanted: WantedDeployment, state: EndpointState, reason: str) -> None:
        if (wanted.info.state, wanted.info.reason) != (state, reason):
            deployment_store.set_state(
                self.services.storage.database,
                wanted.endpoint,
                wanted.info.name,
                wanted.generation,
                state,
                reason,
            )
