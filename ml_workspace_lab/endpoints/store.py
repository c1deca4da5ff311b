"""How endpoints are kept."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ml_workspace_lab.endpoints import deployment_store
from ml_workspace_lab.endpoints.deployment_store import WantedDeployment
from ml_workspace_lab.endpoints.model import DeploymentInfo, EndpointInfo, EndpointState
from ml_workspace_lab.endpoints.telemetry.model import Export
from ml_workspace_lab.endpoints.traffic import RollbackRule, RolledBack, Rollout
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.storage.database import Queries, Row, Transaction, now

_WORST_FIRST = (
    EndpointState.FAILED,
    EndpointState.UNHEALTHY,
    EndpointState.CREATING,
    EndpointState.HEALTHY,
)


@dataclass(frozen=True)
class Wanted:
    """An endpoint as it should be. `generation` is the number that was last given to a deployment;
    it starts anywhere, so that processes of a deleted endpoint or workspace are not taken for those
    of its successor."""

    info: EndpointInfo
    id: int
    generation: int
    deployments: list[WantedDeployment]
    primary_hash: bytes
    secondary_hash: bytes
    rollout: Rollout | None

    @property
    def main(self) -> WantedDeployment:
        """The one with the most traffic."""
        return max(self.deployments, key=lambda one: one.info.traffic)

    def deployment(self, name: str) -> WantedDeployment:
        for one in self.deployments:
            if one.info.name == name:
                return one
        raise NotFound(
            f"The endpoint {self.info.name} has no deployment {name!r}.",
            field="deployment",
            hint=f"It has {', '.join(one.info.name for one in self.deployments)}.",
        )


def endpoints(queries: Queries) -> list[Wanted]:
    rows = queries.all("SELECT * FROM endpoint ORDER BY name")
    found = deployment_store.of_all(queries)
    # An endpoint is made with its first deployment: one without has come between the two reads.
    return [_wanted(row, found[row["id"]]) for row in rows if row["id"] in found]


def find(queries: Queries, name: str) -> Wanted | None:
    row = queries.one("SELECT * FROM endpoint WHERE name = :name", name=name)
    if row is None:
        return None
    found = deployment_store.of_all(queries, row["id"]).get(row["id"])
    return _wanted(row, found) if found else None


def get(queries: Queries, name: str) -> Wanted:
    found = find(queries, name)
    if found is None:
        raise NotFound(
            f"There is no endpoint {name!r}.",
            field="name",
            hint="`ml-workspace endpoint` lists what there is.",
        )
    return found


def insert(transaction: Transaction, name: str, **values: Any) -> int:
    """Add an endpoint without deployments; its number."""
    added = transaction.add(
        "endpoint",
        name=name,
        generation=secrets.randbelow(2**30),
        created=now(),
        updated=now(),
        **values,
    )
    transaction.event("endpoint.created", name)
    return added


def set_tags(transaction: Transaction, name: str, tags: Mapping[str, str]) -> None:
    transaction.execute(
        "UPDATE endpoint SET tags_json = :tags WHERE name = :name",
        tags=json.dumps(tags),
        name=name,
    )


def set_traffic(
    transaction: Transaction,
    name: str,
    traffic: Mapping[str, int],
    mirrored: Mapping[str, int],
    rollout: Rollout | None,
    rolled_back: RolledBack | None = None,
) -> None:
    """Split requests so from now on; what was told of an earlier return is over."""
    kept = {one: share for one, share in traffic.items() if share}
    copied = {one: share for one, share in mirrored.items() if share}
    transaction.execute(
        "UPDATE endpoint SET traffic_json = :traffic, mirror_json = :mirrored,"
        " rollout_json = :rollout, rolled_back_json = :rolled_back, updated = :now"
        " WHERE name = :name",
        traffic=json.dumps(kept),
        mirrored=json.dumps(copied),
        rollout=_text(rollout),
        rolled_back=_text(rolled_back),
        now=now(),
        name=name,
    )
    told = {"traffic": shown(kept), "mirror_traffic": shown(copied)}
    if rolled_back is None:
        transaction.event("endpoint.traffic", name, **told)
    else:
        reason = {"deployment": rolled_back.deployment, "reason": rolled_back.reason}
        transaction.event("endpoint.rolled_back", name, **told, **reason)


def set_rule(transaction: Transaction, name: str, rule: RollbackRule | None) -> None:
    transaction.execute(
        "UPDATE endpoint SET rollback_json = :rule WHERE name = :name", rule=_text(rule), name=name
    )


def forget_rollout(transaction: Transaction, name: str) -> None:
    """There is nothing to go back to any more."""
    transaction.execute("UPDATE endpoint SET rollout_json = NULL WHERE name = :name", name=name)


def set_key(transaction: Transaction, name: str, column: str, hashed: bytes) -> None:
    assert column in ("primary_hash", "secondary_hash")
    transaction.execute(
        f'UPDATE endpoint SET "{column}" = :hash WHERE name = :name', hash=hashed, name=name
    )


def delete(transaction: Transaction, name: str) -> None:
    transaction.execute("DELETE FROM endpoint WHERE name = :name", name=name)
    transaction.event("endpoint.deleted", name)


def shown(shares: Mapping[str, int]) -> str:
    """Shares in words: `blue 90 %, green 10 %`."""
    return ", ".join(f"{name} {share} %" for name, share in sorted(shares.items()))


def _wanted(row: Row, deployments: list[WantedDeployment]) -> Wanted:
    traffic = json.loads(row["traffic_json"])
    mirrored = json.loads(row["mirror_json"])
    infos = [
        msgspec.structs.replace(
            one.info,
            traffic=traffic.get(one.info.name, 0),
            mirror_traffic=mirrored.get(one.info.name, 0),
        )
        for one in deployments
    ]
    main = max(infos, key=lambda info: info.traffic)
    state, reason = _state(infos, main)
    address = f"http://127.0.0.1:{row['port']}"
    info = EndpointInfo(
        name=row["name"],
        model=main.model,
        model_version=main.model_version,
        state=state,
        reason=reason,
        port=row["port"],
        scoring_uri=f"{address}/score",
        openapi_uri=f"{address}/openapi.json",
        scoring_script=main.scoring_script,
        created=row["created"],
        updated=max(row["updated"], *(one.updated for one in infos)),
        user=row["user"],
        restarts=main.restarts,
        tags=json.loads(row["tags_json"]),
        environment_variables=main.environment_variables,
        request_settings=main.request_settings,
        engine=main.engine,
        providers=main.providers,
        served_by=main.served_by,
        workers=main.workers,
        traffic={one.name: one.traffic for one in infos},
        mirror_traffic=mirrored,
        deployments=infos,
        rollback=_read(row["rollback_json"], RollbackRule),
        rolled_back=_read(row["rolled_back_json"], RolledBack),
        export=_read(row["export_json"], Export),
    )
    return Wanted(
        info,
        row["id"],
        row["generation"],
        [
            WantedDeployment(info, one.endpoint, one.generation, one.python, one.variables)
            for info, one in zip(infos, deployments, strict=True)
        ],
        row["primary_hash"],
        row["secondary_hash"],
        _read(row["rollout_json"], Rollout),
    )


def _state(infos: Sequence[DeploymentInfo], main: DeploymentInfo) -> tuple[EndpointState, str]:
    asked = [info for info in infos if info.traffic] or [main]
    worst = min(asked, key=lambda info: (_WORST_FIRST.index(info.state), info is not main))
    if worst.reason and len(infos) > 1:
        return worst.state, f"{worst.name}: {worst.reason}"
    return worst.state, worst.reason


def _read(text: str | None, kind: Any) -> Any:
    return None if text is None else msgspec.json.decode(text, type=kind)


def _text(value: msgspec.Struct | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
