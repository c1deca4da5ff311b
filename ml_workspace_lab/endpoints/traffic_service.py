"""Which deployment of an endpoint answers which share of its requests."""

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Nothing
from ml_workspace_lab.endpoints import deployment_store, store
from ml_workspace_lab.endpoints.model import (
    DeploymentInfo,
    EndpointInfo,
    EndpointName,
    EndpointState,
)
from ml_workspace_lab.endpoints.store import Wanted
from ml_workspace_lab.endpoints.traffic import (
    DeploymentName,
    RollbackRule,
    RolledBack,
    SetTraffic,
    check,
    rollout,
)
from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.storage.database import now


class EndpointTraffic(Service):
    """How the requests of endpoints are split among their deployments."""

    @operation("PUT", "/endpoints/{name}/traffic", action="endpoints/write")
    def set(self, name: EndpointName, body: SetTraffic) -> EndpointInfo:
        """Split requests so, from the next one on. Raises InvalidInput where the sum is neither 100
        nor 0, Conflict where a deployment that would get some does not answer yet."""
        with self.storage.database.write() as transaction:
            wanted = store.get(transaction, name)
            before = wanted.info.traffic
            traffic = before if body.traffic is None else body.traffic
            mirrored = body.mirror_traffic
            if mirrored is None:
                mirrored = wanted.info.mirror_traffic
            check(traffic, mirrored, before)
            _check_ready(wanted, traffic, mirrored)
            then = rollout(wanted.rollout, before, traffic, now())
            store.set_traffic(transaction, name, traffic, mirrored, then)
        self.services.endpoints.write_rules(name)
        self.services.computes.wake()
        return self.services.endpoints.get(name)

    @operation("PUT", "/endpoints/{name}/rollback", action="endpoints/write")
    def rollback_if(self, name: EndpointName, body: RollbackRule) -> EndpointInfo:
        """Have traffic put back to what it was where the deployment that got more of it does badly
        now, or after a later change."""
        if body.error_rate is None and body.p99_ms is None:
            raise InvalidInput(
                "error_rate: neither this nor p99_ms says what is bad.", field="error_rate"
            )
        return self._set_rule(name, body)

    @operation("DELETE", "/endpoints/{name}/rollback", action="endpoints/write")
    def keep(self, name: EndpointName) -> EndpointInfo:
        """Leave traffic as it is, however deployments do."""
        return self._set_rule(name, None)

    @operation("DELETE", "/endpoints/{name}/deployments/{deployment}", action="endpoints/write")
    def delete_deployment(self, name: EndpointName, deployment: DeploymentName) -> Nothing:
        """End a deployment when it has answered what it has accepted. Raises Conflict where it has
        traffic, or is the last one."""
        with self.storage.database.write() as transaction:
            wanted = store.get(transaction, name)
            _check_idle(wanted.deployment(deployment).info)
            if len(wanted.deployments) == 1:
                raise Conflict(
                    f"{deployment} is the last deployment of {name}.",
                    field="deployment",
                    hint="Delete the endpoint.",
                )
            deployment_store.delete(transaction, wanted.id, deployment)
            if wanted.rollout is not None and wanted.rollout.before.get(deployment):
                store.forget_rollout(transaction, name)
            transaction.event("endpoint.deployment_deleted", name, deployment=deployment)
        self.services.endpoints.write_rules(name)
        self.services.computes.wake()
        return Nothing()

    def roll_back(self, wanted: Wanted, deployment: str, reason: str) -> None:
        """Put traffic back to what it was before a deployment got more of it; nothing where it was
        changed meanwhile."""
        name = wanted.info.name
        with self.storage.database.write() as transaction:
            present = store.find(transaction, name)
            if present is None or present.rollout is None or present.rollout != wanted.rollout:
                return
            was = {one: share for one, share in present.info.traffic.items() if share}
            before = present.rollout.before
            mirrored = present.info.mirror_traffic
            store.set_traffic(
                transaction,
                name,
                before,
                {one: share for one, share in mirrored.items() if not before.get(one)},
                None,
                RolledBack(deployment, reason, now(), was),
            )
        self.services.endpoints.write_rules(name)

    def _set_rule(self, name: str, rule: RollbackRule | None) -> EndpointInfo:
        with self.storage.database.write() as transaction:
            store.get(transaction, name)
            store.set_rule(transaction, name, rule)
        self.services.endpoints.write_rules(name)
        return self.services.endpoints.get(name)


def _check_ready(wanted: Wanted, *shares: dict[str, int]) -> None:
    """Raise Conflict where a deployment would get requests that never answered any."""
    for one in wanted.info.deployments:
        gets = any(share.get(one.name) for share in shares)
        if gets and not one.traffic and one.state is not EndpointState.HEALTHY:
            raise Conflict(
                f"The deployment {one.name} is {one.state}. {one.reason}".rstrip(),
                field="traffic",
                hint="Give it traffic when it is Healthy.",
            )


def _check_idle(info: DeploymentInfo) -> None:
    for share, what in ((info.traffic, "traffic"), (info.mirror_traffic, "mirrored traffic")):
        if share:
            raise Conflict(
                f"The deployment {info.name} has {share} % of the {what}.",
                field="deployment",
                hint="Give that to another one first.",
            )
