"""What a scoring process keeps of its requests and tells others, as its endpoint's rules have it.

Both are off unless they were asked for, and what they need is imported only then.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ml_workspace_lab.endpoints.folder import NO_EXPORT, GenerationFolder, Rules
from ml_workspace_lab.endpoints.scoring.pages import Served
from ml_workspace_lab.endpoints.scoring.predictor import Predictor
from ml_workspace_lab.endpoints.scoring.request import Request
from ml_workspace_lab.endpoints.scoring.site import NO_KEY, Site
from ml_workspace_lab.endpoints.telemetry.counts import Counts
from ml_workspace_lab.endpoints.telemetry.exchange import Exchange
from ml_workspace_lab.endpoints.telemetry.model import MOST_BODY, Export, Observed, Sampling
from ml_workspace_lab.storage.files import write_atomic
from ml_workspace_lab.trouble import kept_apart

if TYPE_CHECKING:
    from ml_workspace_lab.endpoints.telemetry.otlp.exporter import Exporter
    from ml_workspace_lab.endpoints.telemetry.recording import Recorder

TELL_SECONDS = 1.0
MOST_FILES = 100
"""What so many processes have seen is kept, which is that of all workers; of a deployment that dies
again and again."""


class Observing:
    """Is told of each answer of a site while there is something to keep or to export."""

    def __init__(self, folder: GenerationFolder, served: Served, site: Site) -> None:
        self._folder = folder
        self._served = served
        self._site = site
        self._rules: Rules | None = None
        self._sampling: msgspec.Raw | None = None
        self._export = NO_EXPORT
        self._recorder: Recorder | None = None
        self._exporter: Exporter | None = None
        self._exporter_is_settled = False
        self._trouble = ""
        self._told = Observed(site.metrics.began)
        self._told_at = 0.0
        self._samples, self._exported = Counts(), Counts()

    def look(self, rules: Rules) -> None:
        """Do as the rules say now, and tell what was seen."""
        if rules is not self._rules:
            self._rules = rules
            self._follow(rules)
        if time.monotonic() - self._told_at >= TELL_SECONDS:
            self._tell()

    def answered(
        self, request: Request, status: int, lines: str, answer: bytes, seconds: float
    ) -> None:
        """Keep and pass on what is to be, of a request that asked for scores and was let in."""
        if not request.page.is_split or request.refusal is NO_KEY or request.method == "OPTIONS":
            return
        try:
            self._observe(request, status, lines, answer, seconds)
        except Exception:  # No answer fails for it.
            with kept_apart("what is observed"):
                raise

    def _observe(
        self, request: Request, status: int, lines: str, answer: bytes, seconds: float
    ) -> None:
        moment = time.time()
        recorder, exporter = self._recorder, self._exporter
        kept = recorder is not None and recorder.wants(moment)
        traced = exporter is not None and exporter.wants(request.named)
        if not kept and not traced:
            return
        exchange = Exchange(
            moment,
            seconds,
            request.page.name,
            request.method,
            request.target,
            request.named,
            request.size,
            status,
            lines,
            len(answer),
            self._served.failures.current,
        )
        if traced and exporter is not None:
            exporter.add(exchange)
        if kept and recorder is not None:
            # What waits takes no more memory than what is kept.
            body = request.body if request.size <= MOST_BODY else b""
            recorder.add(
                exchange._replace(body=body, answer=answer if len(answer) <= MOST_BODY else b"")
            )

    def counts(self) -> dict[str, dict[str, int]]:
        return {"samples": self._samples.all(), "exported": self._exported.all()}

    def close(self) -> None:
        """Write and send what waits, as far as that takes no longer than a moment."""
        recorder, exporter = self._recorder, self._exporter
        self._record_with(None)
        self._export_with(NO_EXPORT)
        if recorder is not None:
            recorder.join()
        if exporter is not None:
            exporter.join()
        self._tell()

    def _follow(self, rules: Rules) -> None:
        sampling = rules.sampling.get(self._served.deployment.deployment)
        if sampling != self._sampling:
            self._sampling = sampling
            self._record_with(sampling)
        if rules.export != self._export or not self._exporter_is_settled:
            self._export, self._exporter_is_settled = rules.export, True
            self._export_with(rules.export, os.environ)
        is_wanted = self._recorder is not None or self._exporter is not None
        self._site.observer = self if is_wanted else None

    def _record_with(self, told: msgspec.Raw | None) -> None:
        if (before := self._recorder) is not None:
            self._recorder = None
            before.leave()
        if told is not None:
            from ml_workspace_lab.endpoints.telemetry.recording import Recorder

            try:
                sampling = msgspec.json.decode(told, type=Sampling)
            except ValueError as error:  # What is not known may be what is not to be kept.
                print(f"Nothing is sampled: {error}", file=sys.stderr, flush=True)  # noqa: T201
                return
            endpoint = self._folder.endpoint
            deployment = self._served.deployment
            self._recorder = Recorder(
                endpoint.samples / deployment.deployment,
                deployment,
                sampling,
                endpoint.secret.read_bytes() if endpoint.secret.exists() else os.urandom(32),
                _columns(self._served),
                self._samples,
            )

    def _export_with(self, told: msgspec.Raw, variables: Mapping[str, str] | None = None) -> None:
        self._trouble = ""
        if (before := self._exporter) is not None:
            self._exporter = None
            before.leave()
        if variables is not None and (told != NO_EXPORT or _names_collector(variables)):
            from ml_workspace_lab.endpoints.telemetry.otlp.exporter import Exporter
            from ml_workspace_lab.endpoints.telemetry.otlp.settings import Settings

            try:
                rule = msgspec.json.decode(told, type=Export | None)
                settings = Settings.read(variables, rule, self._served.deployment.endpoint)
            except ValueError as error:
                self._trouble = str(error)
                print(f"Nothing is exported: {error}", file=sys.stderr, flush=True)  # noqa: T201
                return
            if settings is not None:
                self._exporter = Exporter(settings, self._served, self._site, self._exported)

    def _tell(self) -> None:
        """Write what was seen for whoever asks the workspace, where that has changed."""
        self._told_at = time.monotonic()
        found = Observed(
            self._told.began,
            self._served.failures.seen(),
            **self.counts(),
            trouble=self._trouble if self._exporter is None else self._exporter.trouble,
        )
        if found == self._told:
            return
        folder = self._folder.observed
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{int(found.began * 1000):013}-{os.getpid()}.json"
        write_atomic(path, msgspec.json.encode(found))
        self._told = found
        for old in sorted(folder.glob("*.json"))[:-MOST_FILES]:
            old.unlink(missing_ok=True)


def _names_collector(variables: Mapping[str, str]) -> bool:
    return any(name.startswith("OTEL_EXPORTER_OTLP_") for name in variables)


def _columns(served: Served) -> Sequence[str]:
    """What the model calls the values of a row; () where it has no names for them, or is loaded
    elsewhere."""
    scorer = served.loaded
    return [str(name) for name in scorer.model.names] if isinstance(scorer, Predictor) else ()
