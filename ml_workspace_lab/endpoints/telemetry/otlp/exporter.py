"""The thread that exports: metrics every so often, spans in batches; what can't be sent waits its
turn, and is lost and counted where it would wait for too long."""

import os
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping

import msgspec

from ml_workspace_lab.endpoints.scoring.pages import Served
from ml_workspace_lab.endpoints.scoring.site import Site
from ml_workspace_lab.endpoints.telemetry.counts import Counts
from ml_workspace_lab.endpoints.telemetry.exchange import Exchange
from ml_workspace_lab.endpoints.telemetry.otlp import encoding
from ml_workspace_lab.endpoints.telemetry.otlp.sending import NotSent, Sender
from ml_workspace_lab.endpoints.telemetry.otlp.settings import Settings
from ml_workspace_lab.endpoints.telemetry.trace_context import parent
from ml_workspace_lab.trouble import kept_apart

BATCH = 512
FIRST_PAUSE, MOST_PAUSE = 1.0, 30.0
MOST_ATTEMPTS = 8
"""After a minute and a half a batch of spans is given up."""
CLOSE_SECONDS = 2.0


class Exporter:
    """Exports what a site counts, and spans of its requests. `counts` is told what came of them;
    `trouble` is what is in the way at present."""

    def __init__(self, settings: Settings, served: Served, site: Site, counts: Counts) -> None:
        self.trouble = ""
        self._settings = settings
        self._served = served
        self._site = site
        self._counts = counts
        self._resource = {"attributes": encoding.attributes(_resource(settings, served, site))}
        self._spans: deque[Exchange] = deque()
        self._woken = threading.Event()
        self._leaves = False
        self._thread = threading.Thread(target=self._run, name="OTLP", daemon=True)
        self._thread.start()

    def wants(self, named: Mapping[bytes, bytes]) -> bool:
        """Whether a request with these header fields is traced."""
        settings = self._settings
        if settings.traces is None:
            return False
        if settings.follows_parent and (above := parent(named)) is not None:
            return above.is_sampled
        share = settings.trace_share
        return share >= 1 or random.random() < share  # noqa: S311 - no secret

    def add(self, exchange: Exchange) -> None:
        """Have a span sent soon. Nothing is awaited."""
        waiting = len(self._spans)
        if waiting >= self._settings.most_spans:
            self._counts.add("spans_lost")
            return
        self._spans.append(exchange)
        if waiting + 1 == BATCH:
            self._woken.set()

    def leave(self) -> None:
        """Send what waits once more, and no more than that."""
        self._leaves = True
        self._woken.set()

    def join(self) -> None:
        """Wait until that is done, for a moment."""
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        metrics, spans = _Metrics(self), _Spans(self)
        while not self._leaves:
            pause = FIRST_PAUSE
            with kept_apart("exporting"):
                now = time.monotonic()
                pause = min(metrics.step(now), spans.step(now))
            self._woken.wait(max(0.01, pause))
            self._woken.clear()
        with kept_apart("exporting"):
            metrics.end()
            spans.end()

    def say(self, trouble: str) -> None:
        """Note what is in the way, "" where nothing is any more; the log has it once."""
        if trouble and not self.trouble:
            print(f"Exporting: {trouble}", file=sys.stderr, flush=True)  # noqa: T201
        self.trouble = trouble


class _Signal:
    """What goes to one address, and when it is tried again."""

    def __init__(self, sender: Sender | None) -> None:
        self.sender = sender
        self.attempts = 0
        self.not_before = 0.0

    def put_off(self, now: float, after: float) -> None:
        pause = min(MOST_PAUSE, FIRST_PAUSE * 2**self.attempts)
        # Many processes that lost one collector don't come back to it at one moment.
        self.not_before = now + max(after, pause * random.uniform(0.5, 1.0))  # noqa: S311
        self.attempts += 1


class _Metrics(_Signal):
    """All counts, every interval; what could not be sent is in what is sent later."""

    def __init__(self, exporter: Exporter) -> None:
        target = exporter._settings.metrics
        super().__init__(None if target is None else Sender(target))
        self._exporter = exporter
        self._interval = exporter._settings.interval
        self._due = time.monotonic() + self._interval

    def step(self, now: float) -> float:
        """Send where it is time; the seconds until it is time again."""
        if self.sender is None:
            return self._interval
        at = max(self._due, self.not_before)
        if now >= at and self._send(self.sender, now):
            self._due += self._interval * max(1.0, (now - self._due) // self._interval + 1)
        return max(self._due, self.not_before) - time.monotonic()

    def end(self) -> None:
        if self.sender is not None:
            self._send(self.sender, time.monotonic())
            self.sender.close()

    def _send(self, sender: Sender, now: float) -> bool:
        """Whether it is done with until the next interval."""
        exporter = self._exporter
        site = exporter._site
        body = encoding.metrics(
            exporter._resource,
            site.metrics.standing(),
            exporter._served.failures.counts(),
            site.active,
            site.metrics.began,
            time.time(),
        )
        try:
            partial = sender.send(msgspec.json.encode(body))
        except NotSent as error:
            exporter._counts.add("metrics_failed")
            exporter.say(str(error))
            if error.again:
                self.put_off(now, error.after)
            return not error.again
        self.attempts = 0
        exporter._counts.add("metrics_sent")
        exporter.say(partial.message)
        return True


class _Spans(_Signal):
    """Spans in batches, each of which is tried until it is taken or too old."""

    def __init__(self, exporter: Exporter) -> None:
        target = exporter._settings.traces
        super().__init__(None if target is None else Sender(target))
        self._exporter = exporter
        self._batch: list[Exchange] = []
        self._body = b""

    def step(self, now: float) -> float:
        """Send what there is, as far as it is taken; the seconds until there is more to do."""
        while self.sender is not None and now >= self.not_before and self._has_more():
            self._send(self.sender, now)
        delay = self._exporter._settings.delay
        return max(delay, self.not_before - time.monotonic()) if self.attempts else delay

    def end(self) -> None:
        if self.sender is None:
            return
        while self._has_more():
            self.attempts = MOST_ATTEMPTS  # There is no later one.
            self._send(self.sender, time.monotonic())
        self.sender.close()

    def _has_more(self) -> bool:
        if not self._batch:
            spans = self._exporter._spans
            batch = [spans.popleft() for _ in range(min(len(spans), BATCH))]
            if batch:
                body = encoding.traces(self._exporter._resource, batch)
                self._body, self._batch = msgspec.json.encode(body), batch
        return bool(self._batch)

    def _send(self, sender: Sender, now: float) -> None:
        exporter, count = self._exporter, len(self._batch)
        try:
            partial = sender.send(self._body)
        except NotSent as error:
            exporter.say(str(error))
            if error.again and self.attempts < MOST_ATTEMPTS:
                self.put_off(now, error.after)
                return
            exporter._counts.add("spans_lost", count)
        else:
            rejected = min(partial.rejected, count)
            exporter._counts.add("spans_sent", count - rejected)
            if rejected:
                exporter._counts.add("spans_lost", rejected)
            exporter.say(partial.message)
        self._batch, self.attempts, self.not_before = [], 0, 0.0


def _resource(settings: Settings, served: Served, site: Site) -> dict[str, str | int | float]:
    """Which process this is. What the environment says comes last, so that it counts."""
    deployment = served.deployment
    return {
        "service.name": settings.service,
        "service.version": str(deployment.version),
        "service.instance.id": f"{deployment.endpoint}/{deployment.deployment}/"
        f"{os.getpid()}-{int(site.metrics.began * 1000)}",
        "process.pid": os.getpid(),
        f"{encoding.PREFIX}.name": deployment.endpoint,
        f"{encoding.PREFIX}.deployment": deployment.deployment,
        f"{encoding.PREFIX}.model": deployment.model,
        f"{encoding.PREFIX}.model_version": deployment.version,
        **settings.attributes,
    }
