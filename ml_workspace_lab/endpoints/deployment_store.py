"""How deployments of endpoints are kept."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.endpoints.model import (
    DeploymentInfo,
    EndpointState,
    RequestSettings,
    ServedBy,
)
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.endpoints.telemetry.model import Sampling
from ml_workspace_lab.storage.database import Database, Queries, Row, Transaction, now


@dataclass(frozen=True)
class WantedDeployment:
    """A deployment as it should be; its `generation` is another one after each update."""

    info: DeploymentInfo
    endpoint: str
    generation: int
    python: str | None
    variables: dict[str, str]


def of_all(queries: Queries, endpoint: int | None = None) -> dict[int, list[WantedDeployment]]:
    """Deployments by the number of their endpoint: of that one, or of each; the oldest first. What
    they have of the traffic is their endpoint's to say."""
    among = "" if endpoint is None else "WHERE d.endpoint = :endpoint "
    rows = queries.all(
        "SELECT d.*, e.name AS endpoint_name FROM deployment d JOIN endpoint e ON e.id = d.endpoint"
        f" {among}ORDER BY d.created, d.name",
        **({} if endpoint is None else {"endpoint": endpoint}),
    )
    found: dict[int, list[WantedDeployment]] = {}
    for row in rows:
        found.setdefault(row["endpoint"], []).append(_wanted(row))
    return found


def insert(transaction: Transaction, endpoint: int, name: str, **values: Any) -> None:
    transaction.insert(
        "deployment",
        endpoint=endpoint,
        name=name,
        generation=_next_generation(transaction, endpoint),
        state=EndpointState.CREATING,
        reason="",
        created=now(),
        updated=now(),
        **values,
    )


def update(transaction: Transaction, endpoint: int, name: str, **values: Any) -> None:
    """Ask for another generation of it; the one before serves until it is ready."""
    changes = ", ".join(f'"{column}" = :{column}' for column in values)
    transaction.execute(
        f"UPDATE deployment SET {changes}, generation = :generation, state = :state,"
        " reason = '', restarts = 0, updated = :now"
        " WHERE endpoint = :endpoint AND name = :name",
        endpoint=endpoint,
        name=name,
        generation=_next_generation(transaction, endpoint),
        state=EndpointState.CREATING,
        now=now(),
        **values,
    )


def set_state(
    database: Database,
    endpoint: str,
    deployment: str,
    generation: int,
    state: EndpointState,
    reason: str,
) -> None:
    """Note how it is; nothing where another generation has been asked for meanwhile."""
    with database.write() as transaction:
        changed = transaction.execute(
            f"UPDATE deployment SET state = :state, reason = :reason WHERE {_THAT}",
            state=state,
            reason=reason,
            endpoint=endpoint,
            deployment=deployment,
            generation=generation,
        )
        if changed.rowcount:
            transaction.event("endpoint.state", endpoint, state=state, deployment=deployment)


def set_served_by(
    database: Database, endpoint: str, deployment: str, generation: int, found: ServedBy
) -> None:
    """Note what answers; nothing where another generation has been asked for meanwhile."""
    with database.write() as transaction:
        transaction.execute(
            f"UPDATE deployment SET served_json = :found WHERE {_THAT}",
            found=msgspec.json.encode(found).decode(),
            endpoint=endpoint,
            deployment=deployment,
            generation=generation,
        )
        transaction.event("endpoint.engine", endpoint, engine=found.engine, deployment=deployment)


def set_scaling(transaction: Transaction, endpoint: int, name: str, scaling: WorkerScaling) -> None:
    """Have another number of workers; those that there are go on."""
    transaction.execute(
        "UPDATE deployment SET scaling_json = :scaling, updated = :now"
        " WHERE endpoint = :endpoint AND name = :name",
        scaling=as_json(scaling),
        now=now(),
        endpoint=endpoint,
        name=name,
    )


def as_json(scaling: WorkerScaling) -> str:
    return msgspec.json.encode(scaling).decode()


def set_workers(
    database: Database, endpoint: str, deployment: str, generation: int, workers: int
) -> None:
    """Note how many answer; nothing where another generation has been asked for meanwhile."""
    with database.write() as transaction:
        changed = transaction.execute(
            f"UPDATE deployment SET workers = :workers WHERE {_THAT}",
            workers=workers,
            endpoint=endpoint,
            deployment=deployment,
            generation=generation,
        )
        if changed.rowcount:
            told = {"deployment": deployment, "workers": str(workers)}
            transaction.event("endpoint.workers", endpoint, **told)


def count_restart(
    database: Database, endpoint: str, deployment: str, generation: int, reason: str
) -> None:
    """Note that a process has ended: whoever sees the number grow sees that it does not answer."""
    with database.write() as transaction:
        transaction.execute(
            "UPDATE deployment SET restarts = restarts + 1, state = :state, reason = :reason"
            f" WHERE {_THAT}",
            state=EndpointState.UNHEALTHY,
            reason=reason,
            endpoint=endpoint,
            deployment=deployment,
            generation=generation,
        )


def delete(transaction: Transaction, endpoint: int, name: str) -> None:
    transaction.execute(
        "DELETE FROM deployment WHERE endpoint = :endpoint AND name = :name",
        endpoint=endpoint,
        name=name,
    )


_THAT = (
    "name = :deployment AND generation = :generation"
    " AND endpoint = (SELECT id FROM endpoint WHERE name = :endpoint)"
)


def _next_generation(transaction: Transaction, endpoint: int) -> int:
    """A number that no deployment of the endpoint has had."""
    row = transaction.execute(
        "UPDATE endpoint SET generation = generation + 1 WHERE id = :id RETURNING generation",
        id=endpoint,
    ).fetchone()
    return int(row["generation"])


def _wanted(row: Row) -> WantedDeployment:
    variables = json.loads(row["variables_json"])
    served_by, sampling = row["served_json"], row["sampling_json"]
    resources = row["resources_json"]
    info = DeploymentInfo(
        name=row["name"],
        model=row["model"],
        model_version=row["version"],
        state=EndpointState(row["state"]),
        reason=row["reason"],
        traffic=0,
        mirror_traffic=0,
        scoring_script=row["scoring_script"],
        created=row["created"],
        updated=row["updated"],
        user=row["user"],
        restarts=row["restarts"],
        environment_variables=sorted(variables),
        request_settings=msgspec.json.decode(row["settings_json"], type=RequestSettings),
        engine=row["engine"],
        providers=json.loads(row["providers_json"]),
        served_by=None if served_by is None else msgspec.json.decode(served_by, type=ServedBy),
        sampling=None if sampling is None else msgspec.json.decode(sampling, type=Sampling),
        scaling=msgspec.json.decode(row["scaling_json"], type=WorkerScaling),
        workers=row["workers"],
        compute_target=row["compute_target"],
        environment=row["environment"],
        resources=None if resources is None else msgspec.json.decode(resources, type=Resources),
    )
    return WantedDeployment(info, row["endpoint_name"], row["generation"], row["python"], variables)
