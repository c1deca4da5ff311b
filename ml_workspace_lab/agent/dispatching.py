"""A dispatcher for each compute target, in a thread of its own: one that waits for an engine which
does not answer holds up no other."""

import threading
from dataclasses import dataclass, field

from ml_workspace_lab.compute.store import Target
from ml_workspace_lab.jobs.dispatcher import LATER, Dispatcher
from ml_workspace_lab.services import Services
from ml_workspace_lab.trouble import kept_apart


@dataclass
class _Loop:
    """The thread of one target."""

    services: Services
    target: Target
    before: threading.Thread | None = None
    """The thread of the target as it was before a change: two would be in each other's way."""
    woken: threading.Event = field(default_factory=threading.Event)
    ended: bool = False

    def __post_init__(self) -> None:
        name = f"dispatcher of {self.target.name}"
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.ended = True
        self.woken.set()

    def _run(self) -> None:
        if self.before is not None:
            self.before.join()
        dispatcher: Dispatcher | None = None
        while not self.ended:
            pause = LATER
            with kept_apart(f"compute target {self.target.name}"):
                if dispatcher is None:
                    driver = self.services.computes.driver(self.target)
                    target = self.target
                    dispatcher = Dispatcher(
                        self.services, target.name, driver, target.quotas, target.workspace_url
                    )
                pause = dispatcher.step()
            # Woken by the agent's step, which comes at once where something has changed.
            self.woken.wait(pause if pause < LATER else None)
            self.woken.clear()


class Dispatching:
    """Keeps the threads in step with the targets that there are."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._loops: dict[str, _Loop] = {}

    def step(self) -> bool:
        """Have each target looked at; whether there are jobs that are not over."""
        targets = {target.name: target for target in self._services.computes.targets()}
        before: dict[str, threading.Thread] = {}
        for name, loop in list(self._loops.items()):
            if targets.get(name) != loop.target:
                loop.end()
                before[name] = self._loops.pop(name).thread
        for name, target in targets.items():
            if name not in self._loops:
                self._loops[name] = _Loop(self._services, target, before.get(name))
            self._loops[name].woken.set()
        return any(sum(self._services.jobs.counts(name)) for name in targets)
