"""What a deployment counts: answers, their times, and what is done together."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from ml_workspace_lab.endpoints.folder import Deployment
from ml_workspace_lab.endpoints.scoring.gathering import OF_WORKER, Gathering
from ml_workspace_lab.endpoints.scoring.pages import Page, Served
from ml_workspace_lab.endpoints.scoring.peers import Answer, Missing
from ml_workspace_lab.endpoints.scoring.request import Request

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.site import Site
    from ml_workspace_lab.endpoints.scoring.turns import Turns

SECONDS = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""The upper bounds of the histogram's buckets."""
TEXT = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
SCORED = ("score", "invocations", "infer")
"""The pages that traffic is made of."""
_PREFIX = "ml_workspace_endpoint"
Counted = tuple[str, str, tuple[str, ...], Mapping[Any, int]]
"""A family of counters: name, description, names of labels, and counts by the labels' values."""


class Standing(NamedTuple):
    """The counts as they stand: answers by page and status, and times by bucket with their sum."""

    answers: dict[tuple[str, int], int]
    buckets: list[int]
    sum: float


class Metrics:
    """Counts of one process, which begins with nothing. An answer that takes more than `slow_after`
    seconds is one of the `slow` ones."""

    def __init__(self, deployment: Deployment) -> None:
        self._labels = {
            "endpoint": deployment.endpoint,
            "deployment": deployment.deployment,
            "model": deployment.model,
            "version": str(deployment.version),
        }
        self.began = time()
        self.slow_after = math.inf
        self.slow = 0
        self._answers: dict[tuple[str, int], int] = {}
        self._buckets = [0] * (len(SECONDS) + 1)
        self._sum = 0.0

    def answered(self, request: Request, status: int, seconds: float) -> None:
        """Count an answer, so many seconds after the head of its request was there."""
        page = request.page
        key = page.name, status
        self._answers[key] = self._answers.get(key, 0) + 1
        if page.asks_for_key and status < 300:
            self._buckets[bisect_left(SECONDS, seconds)] += 1
            self._sum += seconds
        if seconds > self.slow_after and page.is_split:
            self.slow += 1

    def scored(self) -> tuple[int, int]:
        """The answers to requests for scores, and those of them that were failures of ours."""
        counts = [
            (status, count) for (page, status), count in self._answers.items() if page in SCORED
        ]
        return (
            sum(count for _, count in counts),
            sum(count for status, count in counts if status >= 500),
        )

    def standing(self) -> Standing:
        """A copy, which other threads may ask for."""
        return Standing(self._answers.copy(), self._buckets.copy(), self._sum)

    def text(
        self,
        more: Sequence[tuple[str, str, float, str]],
        counted: Sequence["Counted"] = (),
    ) -> str:
        """All of them in Prometheus' text format, with `more`: name, kind, value, description; and
        with what is `counted` elsewhere, by labels."""
        lines: list[str] = []
        lines += self._family("requests_total", "counter", "Answers by page and HTTP status.")
        for (page, status), count in sorted(self._answers.items()):
            lines.append(self._line("requests_total", count, page=page, code=str(status)))
        name = "scored_seconds"
        lines += self._family(
            name, "histogram", "From the head of a request that was scored to its answer."
        )
        lines += self._histogram(name)
        said = "When the process began, since the epoch."
        for name, kind, value, told in (*more, ("start_time_seconds", "gauge", self.began, said)):
            lines += [*self._family(name, kind, told), self._line(name, value)]
        for name, told, labels, counts in counted:
            lines += self._family(name, "counter", told) if counts else []
            for values, count in sorted(counts.items()):
                by = dict(zip(labels, values, strict=True))
                lines.append(self._line(name, count, **by))
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str) -> Iterator[str]:
        count = 0
        for bound, more in zip((*SECONDS, "+Inf"), self._buckets, strict=True):
            count += more
            yield self._line(f"{name}_bucket", count, le=str(bound))
        yield self._line(f"{name}_sum", self._sum)
        yield self._line(f"{name}_count", count)

    def _family(self, name: str, kind: str, said: str) -> list[str]:
        return [f"# HELP {_PREFIX}_{name} {said}", f"# TYPE {_PREFIX}_{name} {kind}"]

    def _line(self, name: str, value: float, **more: str) -> str:
        labels = {**self._labels, **more}
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        return f"{_PREFIX}_{name}{{{inner}}} {value!r}"


class MetricsPage(Page):
    """The counts, for who has a key: they tell what is served, and how much. Those of all
    deployments, unless one of them asks; of each the sum over its workers."""

    name = "metrics"
    asks_for_key = True

    def __init__(self, served: Served, metrics: Metrics, turns: "Turns", site: "Site") -> None:
        super().__init__(served)
        self._metrics, self._turns, self._site = metrics, turns, site

    def get(self, request: Request) -> None:
        own = self.keep()
        if request.target == OF_WORKER:
            request.answer(200, TEXT, own.encode())
            return
        gathering = Gathering(lambda text: request.answer(200, TEXT, text.encode()))
        router, fellows = self._site.router, self._site.fellows
        if fellows is not None:
            gathering.wait_for(fellows.gather(request, gathering.add))
        if router is not None and not request.is_inner and not request.is_picked:

            def then(outcome: Answer | Missing) -> None:
                if isinstance(outcome, Answer) and outcome.status == 200:
                    gathering.add(outcome.body.decode())
                else:
                    gathering.add(None)

            gathering.wait_for(router.ask_others(request, then))
        gathering.add(own)

    def keep(self) -> str:
        """What this process counts, which those who come after it shall go on from."""
        fellows = self._site.fellows
        return self._text() if fellows is None else fellows.counted(self._text())

    def _text(self) -> str:
        site, turns = self._site, self._turns
        more: list[tuple[str, str, float, str]] = [
            ("active_requests", "gauge", site.active, "Requests that have no answer yet."),
            ("waiting_requests", "gauge", len(turns.waiting), "Requests that wait for the model."),
            ("connections", "gauge", len(site.connections), "Open connections."),
            (
                "quick",
                "gauge",
                int(turns.pace.is_quick),
                "1: the event loop asks the model itself.",
            ),
            ("workers", "gauge", 1, "Processes that answer."),
            ("resident_memory_bytes", "gauge", _resident(), "Memory that the processes have."),
        ]
        if (crew := turns.crew) is not None:
            said = "Requests whose rows were put to the model with those of others."
            more.append(("joined_requests_total", "counter", crew.joined, said))
            said = "Calls of the model for such requests."
            more.append(("joined_calls_total", "counter", crew.calls, said))
        router = site.router
        counted: list[Counted] = []
        if router is not None:
            labels, said = ("to", "outcome"), "Requests for other deployments."
            counted.append(("forwarded_requests_total", said, labels, router.handed_over))
            said = "Copies of requests."
            counted.append(("mirrored_requests_total", said, labels, router.mirror.counts))
        kinds = {(kind,): n for kind, n in self.served.failures.counts().items()}
        said = "What scoring raised, and what took too long."
        counted.append(("exceptions_total", said, ("kind",), kinds))
        if site.observer is not None:
            found = site.observer.counts()
            for name, said in (
                ("samples", "Requests that were to be kept."),
                ("exported", "Spans and sets of metrics for a collector."),
            ):
                by_outcome = {(outcome,): count for outcome, count in found[name].items()}
                counted.append((f"{name}_total", said, ("outcome",), by_outcome))
        if site.fellows is not None:
            said = "Requests that another worker of the deployment has answered."
            counted.append(("lent_requests_total", said, ("to", "outcome"), site.fellows.lent))
        return self._metrics.text(more, counted)


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
