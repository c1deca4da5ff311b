"""What a deployment counts: answers, their times, and what is done together."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from time import perf_counter, time
from typing import TYPE_CHECKING

from ml_workspace_lab.endpoints.folder import Deployment
from ml_workspace_lab.endpoints.scoring.pages import Page, Served
from ml_workspace_lab.endpoints.scoring.request import Request

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.scoring.site import Site
    from ml_workspace_lab.endpoints.scoring.turns import Turns

SECONDS = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""The upper bounds of the histogram's buckets."""
TEXT = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
_PREFIX = "ml_workspace_endpoint"


class Metrics:
    """Counts of one process, which begins with nothing."""

    def __init__(self, deployment: Deployment) -> None:
        self._labels = {
            "endpoint": deployment.endpoint,
            "model": deployment.model,
            "version": str(deployment.version),
        }
        self._began = time()
        self._answers: dict[tuple[str, int], int] = {}
        self._buckets = [0] * (len(SECONDS) + 1)
        self._sum = 0.0

    def answered(self, request: Request, status: int) -> float:
        """Count an answer; the seconds since the head of its request was there."""
        seconds = perf_counter() - request.began
        page = request.page
        key = page.name, status
        self._answers[key] = self._answers.get(key, 0) + 1
        if page.asks_for_key and status < 300:
            self._buckets[bisect_left(SECONDS, seconds)] += 1
            self._sum += seconds
        return seconds

    def text(self, more: Sequence[tuple[str, str, float, str]]) -> str:
        """All of them in Prometheus' text format, with `more`: name, kind, value, description."""
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
        for name, kind, value, told in (*more, ("start_time_seconds", "gauge", self._began, said)):
            lines += [*self._family(name, kind, told), self._line(name, value)]
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
    """The counts, for who has a key: they tell what is served, and how much."""

    name = "metrics"
    asks_for_key = True

    def __init__(self, served: Served, metrics: Metrics, turns: "Turns", site: "Site") -> None:
        super().__init__(served)
        self._metrics, self._turns, self._site = metrics, turns, site

    def get(self, request: Request) -> None:
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
        ]
        if (crew := turns.crew) is not None:
            said = "Requests whose rows were put to the model with those of others."
            more.append(("joined_requests_total", "counter", crew.joined, said))
            said = "Calls of the model for such requests."
            more.append(("joined_calls_total", "counter", crew.calls, said))
        request.answer(200, TEXT, self._metrics.text(more).encode())


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
