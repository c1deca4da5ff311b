"""Keeping samples of requests: drawn in the event loop, redacted and written in a thread."""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ml_workspace_lab.endpoints.folder import Deployment
from ml_workspace_lab.endpoints.telemetry.counts import Counts
from ml_workspace_lab.endpoints.telemetry.exchange import (
    Exchange,
    NotKept,
    Value,
    request_value,
    response_value,
)
from ml_workspace_lab.endpoints.telemetry.model import Sample, Sampling
from ml_workspace_lab.endpoints.telemetry.redaction import Redactor
from ml_workspace_lab.endpoints.telemetry.sample_files import DiskFull, SampleWriter
from ml_workspace_lab.endpoints.telemetry.trace_context import trace_id
from ml_workspace_lab.trouble import kept_apart

MOST_WAITING = 100
"""Samples that wait to be written; what comes beyond is lost, and counted."""
CLOSE_SECONDS = 2.0


class Recorder:
    """Keeps samples of a deployment's requests. `counts` is told what came of those that were
    drawn: `kept`, or `lost` where too many waited or there was no room."""

    def __init__(
        self,
        folder: Path,
        deployment: Deployment,
        sampling: Sampling,
        key: bytes,
        columns: Sequence[str],
        counts: Counts,
    ) -> None:
        self._counts = counts
        self._deployment = deployment
        self._share = sampling.share
        self._most = sampling.most_per_minute
        self._redactor = Redactor(sampling, key, columns)
        self._writer = SampleWriter(folder, sampling.most_bytes, sampling.days)
        self._minute, self._in_minute = 0, 0
        self._last = 0
        self._waiting: deque[Exchange] = deque()
        self._woken = threading.Event()
        self._leaves = False
        self._thread = threading.Thread(target=self._run, name="samples", daemon=True)
        self._thread.start()

    def wants(self, moment: float) -> bool:
        """Whether a request that is answered at a moment is to be kept."""
        if random.random() >= self._share:  # noqa: S311 - no secret
            return False
        minute = int(moment // 60)
        if minute != self._minute:
            self._minute, self._in_minute = minute, 0
        self._in_minute += 1
        return self._in_minute <= self._most

    def add(self, exchange: Exchange) -> None:
        """Have it written soon. Nothing is awaited."""
        if len(self._waiting) >= MOST_WAITING:
            self._counts.add("lost")
            return
        self._waiting.append(exchange)
        self._woken.set()

    def leave(self) -> None:
        """Write what waits, and take no more."""
        self._leaves = True
        self._woken.set()

    def join(self) -> None:
        """Wait until that is done, for a moment."""
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while not self._leaves or self._waiting:
            self._woken.wait()
            self._woken.clear()
            while self._waiting:
                self._keep(self._waiting.popleft())
        self._writer.close()

    def _keep(self, exchange: Exchange) -> None:
        kept = "lost"
        with kept_apart("a sample"):
            line = msgspec.json.encode(self._sample(exchange)) + b"\n"
            try:
                self._writer.write(line)
            except (OSError, DiskFull):
                pass  # The count says it: a full disk is not made better by a log.
            else:
                kept = "kept"
        self._counts.add(kept)

    def _sample(self, exchange: Exchange) -> Sample:
        request, response, left_out = self._redacted(exchange)
        # Files are read by time: it goes on also where a clock is set back.
        self._last = max(self._last, int(exchange.moment * 1000))
        deployment = self._deployment
        sample = Sample(
            time=self._last,
            request_id=self._shown(exchange.answered("x-request-id"), exchange),
            deployment=deployment.deployment,
            model=deployment.model,
            model_version=deployment.version,
            page=exchange.page,
            status=exchange.status,
            latency_ms=round(1000 * exchange.seconds, 3),
            request_bytes=exchange.request_bytes,
            response_bytes=exchange.response_bytes,
            client_request_id=self._shown(exchange.answered("x-ms-client-request-id"), exchange),
            trace_id=trace_id(exchange.named),
            request=request,
            response=response,
            left_out=left_out,
        )
        spelled = msgspec.json.encode(sample).decode()
        if any(text in spelled for text in exchange.credentials()):
            return msgspec.structs.replace(
                sample, request=None, response=None, left_out="a key stands in it"
            )
        return sample

    def _redacted(self, exchange: Exchange) -> tuple[Any, Any, str]:
        """The request and its answer as they may be kept, and why something is left out."""
        reasons: list[str] = []
        request = self._found(request_value, exchange, reasons, "request")
        response = self._found(response_value, exchange, reasons, "response")
        if reasons and request is None and response is not None and self._redactor.names_fields:
            reasons.append("response: what is to be taken out of it is not known")
            response = None
        try:
            found = self._redactor.redacted(request, response, exchange.credentials())
        except RecursionError:
            return None, None, "it is nested too deeply"
        return *found, "; ".join(reasons)

    def _found(
        self, read: Callable[[Exchange], Value], exchange: Exchange, reasons: list[str], what: str
    ) -> Any:
        """What is in a body; None, with the reason, where it can't be kept."""
        try:
            found = read(exchange)
            if found.is_text and self._redactor.names_fields:
                raise NotKept("it is a text, in which no fields can be found")
        except NotKept as why:
            reasons.append(f"{what}: {why}")
            return None
        return found.value

    def _shown(self, name: str, exchange: Exchange) -> str:
        """A name that a client may have chosen, by the same patterns."""
        found, _ = self._redactor.redacted(name, None, exchange.credentials())
        return str(found)
