"""What endpoints keep of their requests, what has gone wrong there, and who is told of it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Limit, Nothing, text_like
from ml_workspace_lab.endpoints import store
from ml_workspace_lab.endpoints.folder import EndpointFolder
from ml_workspace_lab.endpoints.model import DeploymentInfo, EndpointInfo, EndpointName
from ml_workspace_lab.endpoints.placing import Belongings
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.endpoints.telemetry import sample_files
from ml_workspace_lab.endpoints.telemetry.counts import Counts
from ml_workspace_lab.endpoints.telemetry.merging import merged
from ml_workspace_lab.endpoints.telemetry.model import (
    DeploymentTelemetry,
    ExceptionList,
    Export,
    Observed,
    SamplePage,
    Sampling,
    Telemetry,
)
from ml_workspace_lab.endpoints.telemetry.patterns import plain_name
from ml_workspace_lab.endpoints.telemetry.store import (
    default_export,
    set_default_export,
    set_export,
    set_sampling,
)
from ml_workspace_lab.endpoints.traffic import DeploymentName
from ml_workspace_lab.errors import InvalidInput, NotFound

Place = Annotated[
    str,
    text_like(r"^[0-9]{1,15}-[0-9]{1,9}$(?!\n)", "is not what an earlier page gave as `next`"),
]


class EndpointTelemetry(Service):
    """Samples, exceptions and export of endpoints."""

    @operation("GET", "/endpoints/{name}/telemetry", action="endpoints/read")
    def get(self, name: EndpointName) -> Telemetry:
        """What is kept and exported, and how much of that is lost, since the last update of each
        deployment."""
        wanted = store.get(self.storage.database, name)
        found = [
            _summary(info, list(self._observed(wanted, info))) for info in wanted.info.deployments
        ]
        own = wanted.info.export
        export = own or default_export(self.storage.database)
        return Telemetry(export, own is None and export is not None, found)

    @operation("GET", "/endpoints/{name}/exceptions", action="endpoints/read")
    def exceptions(
        self, name: EndpointName, deployment: DeploymentName | None = None
    ) -> ExceptionList:
        """What scoring has raised since the last update, by kind, the latest first: how often, and
        the last traceback of each. Of one deployment, or of all."""
        wanted = store.get(self.storage.database, name)
        if deployment is not None:
            wanted.deployment(deployment)
        found = [
            seen
            for info in wanted.info.deployments
            if deployment in (None, info.name)
            for seen in merged(info.name, self._observed(wanted, info))
        ]
        return ExceptionList(sorted(found, key=lambda one: one.last_seen, reverse=True))

    @operation(
        "PUT",
        "/endpoints/{name}/deployments/{deployment}/sampling",
        action="endpoints/samples/write",
    )
    def sample(
        self, name: EndpointName, deployment: DeploymentName, body: Sampling
    ) -> EndpointInfo:
        """Keep a share of the requests of a deployment with their answers, from the next one on, as
        far as the rules let them be kept. Raises InvalidInput where two rules contradict."""
        _check(body)
        return self._set_sampling(name, deployment, body)

    @operation(
        "DELETE",
        "/endpoints/{name}/deployments/{deployment}/sampling",
        action="endpoints/samples/write",
    )
    def stop_sampling(self, name: EndpointName, deployment: DeploymentName) -> EndpointInfo:
        """Keep no more requests of a deployment. What was kept stays until it is too old."""
        return self._set_sampling(name, deployment, None)

    @operation("GET", "/endpoints/{name}/samples", action="endpoints/samples/read", audited=True)
    def samples(
        self,
        name: EndpointName,
        deployment: DeploymentName | None = None,
        after: Place | None = None,
        limit: Limit = 100,
    ) -> SamplePage:
        """Requests that were kept, with their answers, the newest first; of one deployment, or of
        all."""
        wanted = store.get(self.storage.database, name)
        if deployment is not None:
            wanted.deployment(deployment)
        place = None
        if after is not None:
            moment, _, seen = after.partition("-")
            place = int(moment), int(seen)
        return sample_files.page(self._folder(name).samples, deployment, place, limit)

    @operation("DELETE", "/endpoints/{name}/samples", action="endpoints/samples/delete")
    def delete_samples(
        self, name: EndpointName, deployment: DeploymentName | None = None
    ) -> Nothing:
        """Delete what was kept; of one deployment, or of all."""
        wanted = store.get(self.storage.database, name)
        if deployment is not None:
            wanted.deployment(deployment)
        sample_files.clear(self._folder(name).samples, deployment)
        return Nothing()

    @operation("PUT", "/endpoints/{name}/export", action="endpoints/write")
    def export(self, name: EndpointName, body: Export) -> EndpointInfo:
        """Send metrics and traces of all deployments to a collector, by OTLP as JSON over HTTP. It
        counts instead of what the environment of the processes says."""
        return self._set_export(name, body)

    @operation("DELETE", "/endpoints/{name}/export", action="endpoints/write")
    def stop_export(self, name: EndpointName) -> EndpointInfo:
        """Send as the environment of the processes says, by default nothing."""
        return self._set_export(name, None)

    @operation("PUT", "/telemetry/export", action="endpoints/write")
    def export_all(self, body: Export) -> Nothing:
        """Send metrics and traces of all endpoints that have no setting of their own."""
        return self._set_default(body)

    @operation("DELETE", "/telemetry/export", action="endpoints/write")
    def stop_export_all(self) -> Nothing:
        """Send as each endpoint or its environment says, by default nothing."""
        return self._set_default(None)

    def _set_default(self, export: Export | None) -> Nothing:
        with self.storage.database.write() as transaction:
            set_default_export(transaction, export)
        for wanted in store.endpoints(self.storage.database):
            with suppress(NotFound):  # It was deleted meanwhile.
                self.services.endpoints.write_rules(wanted.info.name)
        return Nothing()

    def _set_sampling(self, name: str, deployment: str, sampling: Sampling | None) -> EndpointInfo:
        with self.storage.database.write() as transaction:
            store.get(transaction, name).deployment(deployment)
            set_sampling(transaction, name, deployment, sampling)
        return self._told(name)

    def _set_export(self, name: str, export: Export | None) -> EndpointInfo:
        with self.storage.database.write() as transaction:
            store.get(transaction, name)
            set_export(transaction, name, export)
        return self._told(name)

    def _told(self, name: str) -> EndpointInfo:
        self.services.endpoints.write_rules(name)
        self.services.computes.wake()
        return self.services.endpoints.get(name)

    def _folder(self, name: str) -> EndpointFolder:
        return EndpointFolder(self.storage.endpoint(name))

    def _observed(self, wanted: Wanted, info: DeploymentInfo) -> Iterator[Observed]:
        """What the processes of a deployment say that there have been since its last update; until
        that is ready, those before it."""
        folder = self._folder(wanted.info.name)
        for generation in Belongings().of(folder, info.name):
            yield from generation.read_observed()


def _summary(info: DeploymentInfo, observed: list[Observed]) -> DeploymentTelemetry:
    samples, exported = Counts(), Counts()
    for one in observed:
        for counts, more in ((samples, one.samples), (exported, one.exported)):
            for outcome, count in more.items():
                counts.add(outcome, count)
    return DeploymentTelemetry(
        deployment=info.name,
        exceptions=sum(seen.count for one in observed for seen in one.exceptions),
        samples=samples.all(),
        exported=exported.all(),
        trouble=observed[-1].trouble if observed else "",
        sampling=info.sampling,
    )


def _check(sampling: Sampling) -> None:
    dropped = {plain_name(name) for name in sampling.drop_fields}
    for name in sampling.hash_fields:
        if plain_name(name) in dropped:
            raise InvalidInput(
                f"hash_fields: {name!r} is in drop_fields, too.",
                field="hash_fields",
                hint="Drop it or hash it.",
            )
    for pattern in sampling.hash_patterns:
        if pattern in sampling.drop_patterns:
            raise InvalidInput(
                f"hash_patterns: {pattern} is in drop_patterns, too.",
                field="hash_patterns",
                hint="Drop it or hash it.",
            )
