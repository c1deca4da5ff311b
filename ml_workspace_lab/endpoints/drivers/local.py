"""Deployments on this machine: keeps their processes as the records want them, step by step.

What it needs to know it reads from rows, locks and files, so another driver can go on from there:
a process is alive while its lock is held, and answers since `ready` is there.
"""

import shutil
import sys
from dataclasses import dataclass, field

import msgspec

from ml_workspace_lab.endpoints import deployment_store
from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.drivers.driver import Observed
from ml_workspace_lab.endpoints.folder import (
    Deployment,
    EndpointFolder,
    GenerationFolder,
    Upstream,
    WorkerFolder,
)
from ml_workspace_lab.endpoints.model import LOCAL, EndpointState
from ml_workspace_lab.endpoints.placing import Belongings, place
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.endpoints.workers import Workers
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.services import Services
from ml_workspace_lab.storage.files import disk_errors, write_atomic
from ml_workspace_lab.storage.paths import below

MAX_CRASHES = 5
MAX_FAILED_STARTS = 2


@dataclass
class LocalDriver:
    """Deployments as processes of this machine: those that score, and those that send requests on
    to where a deployment is served otherwise."""

    services: Services
    belongings: Belongings = field(default_factory=Belongings)
    _found: dict[tuple[str, str], tuple[int, Observed]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._workers = Workers(self.services)

    def apply(self, endpoint: Wanted, wanted: WantedDeployment) -> None:
        if wanted.info.state is EndpointState.FAILED:
            self.keep_former(wanted)
        else:
            self._look_after(endpoint, wanted, self._folder(wanted))

    def observe(self, endpoint: Wanted, wanted: WantedDeployment) -> Observed | None:  # noqa: ARG002
        generation, found = self._found.get((wanted.endpoint, wanted.info.name), (None, None))
        return found if generation == wanted.generation else None

    def relay(self, endpoint: Wanted, wanted: WantedDeployment, upstream: Upstream) -> None:
        """Keep a process that sends the deployment's requests on to where it answers."""
        folder = self._folder(wanted)
        generation = folder.generation(wanted.generation)
        if not generation.deployment.exists():
            generation.remove()
            with disk_errors():
                generation.path.mkdir(mode=0o700, parents=True)
        told = msgspec.json.encode(upstream)
        if not generation.upstream.exists() or generation.upstream.read_bytes() != told:
            write_atomic(generation.upstream, told)
        if not generation.deployment.exists():
            write_atomic(generation.deployment, msgspec.json.encode(_relayed(endpoint, wanted)))
        self._look_after(endpoint, wanted, folder)

    def keep_former(self, wanted: WantedDeployment) -> None:
        """Keep what there was before it alive, as long as it does not answer itself."""
        folder = self._folder(wanted)
        self._note_workers(wanted, folder)
        former = [g for g in self._others(wanted, folder) if g.served.exists()]
        if not former:
            return
        there = any(worker.answers() for worker in former[-1].workers())
        for worker in former[-1].workers():
            seen = self._workers.known(worker)
            if worker.is_alive() or seen.is_starting():
                continue
            if seen.has_ended(worker):
                self._workers.crashed(worker)
            elif seen.crashes < MAX_CRASHES and seen.may_start() and (there or worker.worker == 1):
                try:
                    self._workers.start(worker)
                except (OSError, NotFound, Conflict):
                    self._workers.crashed(worker)

    def retire_strays(self, folder: EndpointFolder, endpoint: Wanted) -> None:
        """Have what belongs to no deployment finish what it has accepted, and go."""
        for generation in self.belongings.strays(folder, endpoint):
            self._retire(generation)

    def end_all(self, folder: EndpointFolder) -> None:
        """End every process of an endpoint at once."""
        for generation in folder.generations():
            self._workers.remove(generation)
            self.belongings.forget(generation)
            generation.remove()

    def _folder(self, wanted: WantedDeployment) -> EndpointFolder:
        return EndpointFolder(self.services.storage.endpoint(wanted.endpoint))

    def _look_after(
        self, endpoint: Wanted, wanted: WantedDeployment, folder: EndpointFolder
    ) -> None:
        generation = folder.generation(wanted.generation)
        others = self._others(wanted, folder)
        # Elsewhere the workers are replicas, and one process here sends requests on to all.
        scaling = wanted.info.scaling if _is_here(wanted) else WorkerScaling()
        count = self._workers.count(scaling, generation, others)
        workers = [generation.of_worker(number) for number in range(1, count + 1)]
        was_ready = self._workers.known(generation).was_ready
        there = [worker for worker in workers if self._workers.answers(worker)]
        missing = [worker for worker in workers if worker not in there]
        if not was_ready and self._workers.known(generation).was_ready:
            self._note_engine(wanted, generation)
        for worker in missing:
            self._bring_up(endpoint, wanted, worker, len(there), count)
        for worker in generation.workers():
            if worker.worker > count and there:
                self._workers.dismiss(worker)
        self._note_workers(wanted, folder)
        # Those that wait to be started again are waited for no longer.
        if there and all(self._workers.known(worker).crashes for worker in missing):
            # Those that send it requests are to find it before the one before it goes.
            place(endpoint, folder, self.belongings)
            gone = [self._retire(other) for other in others]
            if all(gone) and not missing:
                self._set_state(wanted, EndpointState.HEALTHY, "")

    def _bring_up(
        self,
        endpoint: Wanted,
        wanted: WantedDeployment,
        worker: WorkerFolder,
        there: int,
        count: int,
    ) -> None:
        """Take the next step to have a worker that does not answer, beside those that are there."""
        seen = self._workers.known(worker)
        if worker.is_alive():
            if self._workers.is_overdue(worker):
                worker.end()
                if not there:
                    self._fail(wanted, worker.generation, f"Not ready after {seen.age:.0f} s.")
        elif seen.is_starting():
            return
        elif seen.asked is not None:
            self._workers.end(worker)  # There were to be fewer, and now they are to be more again.
        elif seen.has_ended(worker):
            self._crashed(wanted, worker, there, count)
        elif seen.may_start() and (there or worker.worker == 1):
            # The first one finds the endpoint's port and compiles the model; the others join it.
            self._start(endpoint, wanted, worker, there, count)

    def _crashed(
        self, wanted: WantedDeployment, worker: WorkerFolder, there: int, count: int
    ) -> None:
        seen = self._workers.known(worker)
        reason = worker.read_error() or f"The scoring process ended: {seen.ending()}."
        self._note_engine(wanted, worker.generation)
        self._workers.crashed(worker)
        most = MAX_CRASHES if seen.was_ready else MAX_FAILED_STARTS
        if seen.crashes >= most and not there and worker.worker == 1:
            reason = self._last_word(wanted, reason, worker.generation)
            self._fail(wanted, worker.generation, reason)
            return
        if there:
            reason = _short(there, count, reason)
        deployment_store.count_restart(
            self.services.storage.database,
            wanted.endpoint,
            wanted.info.name,
            wanted.generation,
            reason,
        )
        self._set_state(wanted, EndpointState.UNHEALTHY, reason)

    def _fail(self, wanted: WantedDeployment, generation: GenerationFolder, reason: str) -> None:
        """Give a generation up, and those of its workers that are on their way."""
        for worker in generation.workers():
            if worker.worker > 1:
                self._workers.end(worker)
        self._set_state(wanted, EndpointState.FAILED, reason)

    def _last_word(self, wanted: WantedDeployment, reason: str, failed: GenerationFolder) -> str:
        others = self._others(wanted, failed.endpoint)
        if any(worker.is_alive() for other in others for worker in other.workers()):
            return f"{reason} The deployment before it still serves."
        return reason

    def _others(self, wanted: WantedDeployment, folder: EndpointFolder) -> list[GenerationFolder]:
        """What there is of a deployment besides what is wanted, the newest last."""
        found = self.belongings.of(folder, wanted.info.name)
        return [g for g in found if g.number != wanted.generation]

    def _start(
        self,
        endpoint: Wanted,
        wanted: WantedDeployment,
        worker: WorkerFolder,
        there: int,
        count: int,
    ) -> None:
        try:
            self._lay_out(endpoint, wanted, worker.generation)
        except (NotFound, Conflict, InvalidInput) as error:
            self._fail(wanted, worker.generation, error.message)
            return
        try:
            self._workers.start(worker)
        except (NotFound, Conflict) as error:
            reason = error.message
        except OSError as error:
            reason = f"{error.filename} could not be started: {error.strerror}."
        else:
            return
        if there:
            self._workers.crashed(worker)
            self._set_state(wanted, EndpointState.UNHEALTHY, _short(there, count, reason))
        else:
            self._fail(wanted, worker.generation, reason)

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

    def _note_workers(self, wanted: WantedDeployment, folder: EndpointFolder) -> None:
        """Keep how many answer: those of the newest generation that has any."""
        if not _is_here(wanted):
            return
        found = self.belongings.of(folder, wanted.info.name)
        numbers = [sum(worker.answers() for worker in one.workers()) for one in found]
        number = next((number for number in reversed(numbers) if number), 0)
        if number != wanted.info.workers:
            deployment_store.set_workers(
                self.services.storage.database,
                wanted.endpoint,
                wanted.info.name,
                wanted.generation,
                number,
            )

    def _retire(self, generation: GenerationFolder) -> bool:
        """Have what was before finish and go. Returns whether it takes no more requests."""
        gone = self._workers.retire(generation)
        if not generation.path.exists():
            self.belongings.forget(generation)
        return gone

    def _set_state(self, wanted: WantedDeployment, state: EndpointState, reason: str) -> None:
        key = wanted.endpoint, wanted.info.name
        self._found[key] = wanted.generation, Observed(state, reason)


def _is_here(wanted: WantedDeployment) -> bool:
    return wanted.info.compute_target == LOCAL


def _short(there: int, count: int, reason: str) -> str:
    return f"{there} of {count} workers {'answers' if there == 1 else 'answer'}. {reason}"


def _relayed(endpoint: Wanted, wanted: WantedDeployment) -> Deployment:
    """What a process is told that sends requests on. Limits are for where they are scored, but for
    how long a body may be."""
    variables = {name: v for name, v in wanted.variables.items() if name == "AML_CORS_ORIGINS"}
    return Deployment(
        endpoint=wanted.endpoint,
        deployment=wanted.info.name,
        model=wanted.info.model,
        version=wanted.info.model_version,
        port=endpoint.info.port,
        has_script=False,
        python=sys.executable,
        variables=variables,
        request_settings=wanted.info.request_settings,
        is_relayed=True,
    )
