"""Asks servers what goes on in them, each from a thread of its own turn: one that does not answer
holds up nobody."""

import http.client
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from ml_workspace_lab.compute.instances.activity import Activity, ask
from ml_workspace_lab.compute.instances.folder import LaunchFolder

THREADS = 4


@dataclass
class Answers:
    """What one server was last heard to say."""

    activity: Activity | None = None
    at: float = 0.0
    """When that was (monotonic)."""
    silent_since: float = field(default_factory=time.monotonic)
    trouble: str = ""
    asked: float = float("-inf")
    pending: "Future[tuple[Activity, float]] | None" = None

    @property
    def silent_seconds(self) -> float:
        """For how long it has been asked in vain."""
        return 0.0 if not self.trouble else time.monotonic() - self.silent_since


class Watcher:
    """Asks each server again after a while."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, "instance-activity")
        self._known: dict[str, Answers] = {}

    def look(self, launch: LaunchFolder, interval: float) -> Answers:
        """The newest answer; a new one is asked for where the last is older than `interval` s."""
        known = self._known.setdefault(launch.mark, Answers())
        if known.pending is not None and known.pending.done():
            self._take(known, known.pending)
        if known.pending is None and time.monotonic() - known.asked >= interval:
            known.asked = time.monotonic()
            known.pending = self._pool.submit(_ask, launch)
        return known

    def forget(self, launch: LaunchFolder) -> None:
        self._known.pop(launch.mark, None)

    def _take(self, known: Answers, answer: "Future[tuple[Activity, float]]") -> None:
        known.pending = None
        try:
            known.activity, known.at = answer.result()
            known.silent_since = known.at
            known.trouble = ""
        except (OSError, http.client.HTTPException, ValueError) as error:
            known.trouble = str(error) or type(error).__name__


def _ask(launch: LaunchFolder) -> tuple[Activity, float]:
    """The activity, and when it was told of."""
    address = launch.address()
    if address is None:
        raise ConnectionError("it does not listen yet")
    activity = ask(address, launch.instance.token.read_text())
    return activity, time.monotonic()
