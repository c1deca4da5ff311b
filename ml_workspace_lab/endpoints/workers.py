"""The processes that answer for deployments: each of them started, watched and dismissed."""

import time
from contextlib import suppress
from dataclasses import dataclass, field

from ml_workspace_lab.compute.wake import clean_environment
from ml_workspace_lab.endpoints.autoscale import Scale
from ml_workspace_lab.endpoints.board import Board, Post
from ml_workspace_lab.endpoints.folder import GenerationFolder, WorkerFolder
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.services import Services
from ml_workspace_lab.supervision import Known

CALM_SECONDS = 60.0
START_SECONDS = 120.0
HANG_SECONDS = 30.0
RETIRE_SECONDS = 45.0


@dataclass
class Workers:
    """What one supervisor knows of the workers of all deployments."""

    services: Services
    _seen: dict[str, Known] = field(default_factory=dict)
    _scales: dict[str, Scale] = field(default_factory=dict)

    def known(self, worker: WorkerFolder) -> Known:
        return self._seen.setdefault(worker.mark, Known())

    def count(
        self, settings: WorkerScaling, generation: GenerationFolder, former: list[GenerationFolder]
    ) -> int:
        """How many a generation is to have now: one that comes in place of a `former` one begins
        with as many as that had, as far as the settings let it."""
        scale = self._scales.get(generation.mark)
        if scale is None:
            there = (_alive(one) for one in (generation, *reversed(former)))
            scale = Scale(next((alive for alive in there if alive), 1))
            self._scales[generation.mark] = scale
        posts: dict[int, Post] = {}
        if settings.most > 1 and generation.deployment.exists():
            with suppress(OSError):  # A full disk: there are as many as there were.
                posts = Board(generation.board).rows()
        return scale.look(settings, posts, time.monotonic())

    def start(self, worker: WorkerFolder) -> None:
        """Start a process for what its generation's folder has. Raises OSError, and Conflict or
        NotFound where the model may not be loaded any more."""
        generation = worker.generation
        told = generation.told()
        assert told is not None
        # Trust may have been taken back since the deployment was asked for.
        self.services.model_trust.require(told.model, told.version)
        worker.path.mkdir(mode=0o700, exist_ok=True)
        words = [told.python, "-m", "ml_workspace_lab.endpoints.scoring", str(worker.path)]
        log = generation.endpoint.log(told.deployment, worker.worker)
        environment = {**clean_environment(), **told.variables}
        self.known(worker).start(worker, words, environment, log)

    def answers(self, worker: WorkerFolder) -> bool:
        """Whether it takes requests. One whose loop has stopped turning is ended: how long it is
        silent says a clock that nobody sets."""
        sign = worker.sign_of_life()
        if sign is None or not worker.is_alive():
            return False
        seen = self.known(worker)
        if not seen.was_ready:
            seen.was_ready, seen.began = True, time.monotonic()
        elif seen.age > CALM_SECONDS:
            seen.crashes = 0
        if sign != seen.sign:
            seen.sign, seen.heard = sign, time.monotonic()
        elif time.monotonic() - seen.heard > HANG_SECONDS:
            worker.end()
            return False
        return True

    def is_overdue(self, worker: WorkerFolder) -> bool:
        """Whether it should have been ready by now. One that has been ready and isn't any more was
        asked to end, and is about to."""
        seen = self.known(worker)
        return not seen.was_ready and seen.age > START_SECONDS

    def crashed(self, worker: WorkerFolder) -> None:
        """Leave nothing of one that has ended but its folder."""
        if worker.generation.board.exists():
            Board(worker.generation.board).clear(worker.worker)
        self.known(worker).crashed(worker, worker.ready)

    def dismiss(self, worker: WorkerFolder) -> bool:
        """Have it finish and go, at once where it takes too long. Returns whether it takes no more
        requests."""
        seen = self.known(worker)
        seen.asked = seen.asked or time.monotonic()
        if worker.is_alive() and time.monotonic() - seen.asked < RETIRE_SECONDS:
            worker.ask_to_end()
            return not worker.ready.exists()
        self.end(worker)
        return True

    def end(self, worker: WorkerFolder) -> None:
        """End it at once. A further worker's folder goes with it; the first one's is that of
        all."""
        worker.end()
        if worker.worker > 1:
            if worker.generation.board.exists():
                Board(worker.generation.board).clear(worker.worker)
            worker.remove()
        self._seen.pop(worker.mark, None)

    def retire(self, generation: GenerationFolder) -> bool:
        """Have all of a generation finish and go, and its folder with them. Returns whether none of
        them takes requests any more."""
        gone = [self.dismiss(worker) for worker in generation.workers()]
        if not any(worker.is_alive() for worker in generation.workers()):
            self.remove(generation)
        return all(gone)

    def remove(self, generation: GenerationFolder) -> None:
        """End all of a generation at once, and remove what it had."""
        for worker in reversed(generation.workers()):
            self.end(worker)
        generation.remove()
        self._scales.pop(generation.mark, None)


def _alive(generation: GenerationFolder) -> int:
    return sum(worker.is_alive() for worker in generation.workers())
