"""Watching deployments that got more traffic, and putting it back where they do badly."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ml_workspace_lab.endpoints.folder import EndpointFolder, Tally
from ml_workspace_lab.endpoints.model import EndpointState
from ml_workspace_lab.endpoints.placing import Belongings
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.endpoints.traffic import RollbackRule
from ml_workspace_lab.services import Services

SLOWEST = 0.01
"""The part of the requests that may take longer than the p99 that is asked for."""


@dataclass(frozen=True)
class Counts:
    """Requests to a deployment, those that failed, and those that were slow or are late."""

    requests: int = 0
    failed: int = 0
    slow: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.requests + other.requests, self.failed + other.failed, self.slow + other.slow
        )

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(
            self.requests - other.requests, self.failed - other.failed, self.slow - other.slow
        )


class Window:
    """What has happened to a deployment of late. Processes count from their starts: of one that was
    there before, what it had counted when it was first looked at is left out."""

    def __init__(self) -> None:
        self._began = time.time()
        self._seen: dict[tuple[str, float], Counts] = {}
        self._total = Counts()
        self._samples: deque[tuple[float, Counts]] = deque()

    def add(self, found: dict[tuple[str, float], Counts], moment: float, seconds: float) -> None:
        """Take what the processes say at a moment, and forget what is older than the window."""
        for source, counts in found.items():
            first = counts if source[1] < self._began else Counts()
            self._total += counts - self._seen.get(source, first)
            self._seen[source] = counts
        self._samples.append((moment, self._total))
        while len(self._samples) > 1 and self._samples[1][0] <= moment - seconds:
            self._samples.popleft()

    def counts(self) -> Counts:
        return self._total - self._samples[0][1]


@dataclass
class Watcher:
    """Undoes changes of traffic where the rule of an endpoint says so."""

    services: Services
    belongings: Belongings
    _windows: dict[tuple[str, int, str], Window] = field(default_factory=dict)

    def forget(self, endpoints: Iterable[str]) -> None:
        """Keep nothing of other endpoints than these."""
        kept = set(endpoints)
        for key in [key for key in self._windows if key[0] not in kept]:
            del self._windows[key]

    def look(self, wanted: Wanted, folder: EndpointFolder) -> None:
        """Look once at what is watched of an endpoint."""
        rule, rollout = wanted.info.rollback, wanted.rollout
        if rule is None or rollout is None:
            return
        tallies = list(self._tallies(wanted, folder))
        for info in wanted.info.deployments:
            if info.name not in rollout.watched or not info.traffic:
                continue
            if info.state is EndpointState.FAILED:
                reason = f"It has failed. {info.reason}".rstrip()
            else:
                window = self._windows.setdefault(
                    (wanted.info.name, rollout.began, info.name), Window()
                )
                found, late = _of(info.name, tallies)
                window.add(found, time.monotonic(), rule.window_seconds)
                reason = judged(rule, window.counts() + Counts(late, 0, late))
            if reason:
                self.services.endpoint_traffic.roll_back(wanted, info.name, reason)
                return

    def _tallies(self, wanted: Wanted, folder: EndpointFolder) -> Iterator[tuple[str, str, Tally]]:
        """What every process of the endpoint says, with its deployment and its mark."""
        for info in wanted.info.deployments:
            for generation in self.belongings.of(folder, info.name):
                for worker in generation.workers():
                    if (tally := worker.read_tally()) is not None:
                        yield info.name, worker.mark, tally


def _of(
    name: str, tallies: Iterable[tuple[str, str, Tally]]
) -> tuple[dict[tuple[str, float], Counts], int]:
    """What each process has counted of a deployment, its own and those that could not reach it;
    and how many requests are late."""
    found: dict[tuple[str, float], Counts] = {}
    own, others = 0, 0
    for deployment, mark, tally in tallies:
        missed = tally.unreached.get(name, 0)
        counts = Counts(missed, missed)
        if deployment == name:
            counts += Counts(tally.answered, tally.failed, tally.slow)
            own += tally.late.get(name, 0)
        else:
            others += tally.late.get(name, 0)
        found[mark, tally.began] = counts
    # Who has handed a request over waits for it, too: it is the same one.
    return found, max(own, others)


def judged(rule: RollbackRule, counts: Counts) -> str:
    """Why such a deployment is to have no more traffic; "" where it may go on."""
    requests, span = counts.requests, f"the last {rule.window_seconds} s"
    if requests < rule.min_requests:
        return ""
    if rule.error_rate is not None and counts.failed > rule.error_rate * requests:
        return (
            f"{counts.failed} of {requests} requests failed in {span}:"
            f" {counts.failed / requests:.1%}, more than {rule.error_rate:.1%}."
        )
    # One slow request alone tells nothing, of however few.
    if rule.p99_ms is not None and counts.slow > max(1.0, SLOWEST * requests):
        return (
            f"{counts.slow} of {requests} requests took more than {rule.p99_ms:g} ms in {span}:"
            f" {counts.slow / requests:.1%}, more than {SLOWEST:.0%}."
        )
    return ""
