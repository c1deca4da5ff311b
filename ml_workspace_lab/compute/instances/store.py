"""How instances are kept."""

import secrets
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from ml_workspace_lab.compute.instances.model import (
    InstanceState,
    LastOperation,
    OperationName,
    OperationStatus,
    Schedule,
    SetupScripts,
    Trigger,
)
from ml_workspace_lab.compute.instances.states import COMING_UP, begin, check_transition
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.errors import NotFound, shown
from ml_workspace_lab.storage.database import Database, Queries, Row, Transaction, now


@dataclass(frozen=True)
class Instance:
    """The record of an instance. `launch` grows with each start that is asked for; it begins
    anywhere, so that a process is not taken for one of a namesake that was deleted. `since` (ms)
    is the time up to which its schedules are done with."""

    name: str
    state: InstanceState
    reason: str
    launch: int
    operation: LastOperation
    owner: str
    assigned_user: str | None
    compute_target: str
    resources: Resources | None
    environment: str | None
    idle_seconds: float | None
    schedules: list[Schedule]
    since: int
    scripts: SetupScripts
    variables: dict[str, str]
    restarts: int
    description: str
    tags: dict[str, str]
    created: int
    updated: int


def instances(queries: Queries) -> list[Instance]:
    return [_instance(row) for row in queries.all("SELECT * FROM compute_instance ORDER BY name")]


def find(queries: Queries, name: str) -> Instance | None:
    row = queries.one("SELECT * FROM compute_instance WHERE name = :name", name=name)
    return _instance(row) if row else None


def get(queries: Queries, name: str) -> Instance:
    found = find(queries, name)
    if found is None:
        raise NotFound(
            f"There is no compute instance {shown(name)}.",
            field="name",
            hint="`ml-workspace instance` lists what there is.",
        )
    return found


def insert(transaction: Transaction, name: str, user: str, **values: Any) -> None:
    operation = LastOperation(OperationName.CREATE, "InProgress", Trigger.USER, "", now(), user)
    transaction.insert(
        "compute_instance",
        name=name,
        state=InstanceState.CREATING,
        reason="",
        launch=1 + secrets.randbelow(2**30),
        operation_json=_text(operation),
        owner=user,
        since=now(),
        created=now(),
        updated=now(),
        **values,
    )
    transaction.event("instance.created", name)


def update(transaction: Transaction, name: str, **values: Any) -> None:
    """Change settings. A change of schedules counts from now on."""
    if "schedules_json" in values:
        values["since"] = now()
    _set(transaction, name, updated=now(), **values)
    transaction.event("instance.updated", name)


def ask(
    transaction: Transaction,
    name: str,
    operation: OperationName,
    trigger: Trigger,
    user: str,
    reason: str = "",
) -> None:
    """Begin an operation. Raises Conflict where it can't be asked in the present state."""
    found = get(transaction, name)
    state = begin(name, found.state, operation)
    values: dict[str, Any] = {}
    if operation in (OperationName.START, OperationName.RESTART):
        values["launch"] = found.launch + 1
    asked = LastOperation(operation, "InProgress", trigger, reason, now(), user)
    _set(transaction, name, operation_json=_text(asked), since=now(), **values)
    _set_state(transaction, found, state, reason)


def advance(
    database: Database, seen: Instance, state: InstanceState, reason: str, *, restarts: int = 0
) -> bool:
    """Note what an instance was seen to become; whatever was asked for is over where that is an end
    of it. False where somebody has changed what it is to be meanwhile: then it is to be looked at
    again."""
    with database.write() as transaction:
        found = find(transaction, seen.name)
        if found is None or (found.state, found.launch) != (seen.state, seen.launch):
            return False
        _set_state(transaction, found, state, reason)
        _set(transaction, seen.name, restarts=found.restarts + restarts)
        operation = found.operation
        if operation.status == "InProgress" and state not in _ON_THE_WAY:
            over = _ended(operation, state, reason)
            _set(transaction, seen.name, operation_json=_text(over))
    return True


def done_until(database: Database, name: str, moment: int) -> None:
    """The instance's schedules are done with up to a moment."""
    with database.write() as transaction:
        _set(transaction, name, since=moment)


def delete(transaction: Transaction, name: str) -> None:
    transaction.execute("DELETE FROM compute_instance WHERE name = :name", name=name)
    transaction.event("instance.deleted", name)


_ON_THE_WAY = COMING_UP | {InstanceState.STOPPING, InstanceState.DELETING}


def _ended(operation: LastOperation, state: InstanceState, reason: str) -> LastOperation:
    """The operation that has led to a state: what was wanted, or something else."""
    is_stop = operation.name is OperationName.STOP
    if state is (InstanceState.STOPPED if is_stop else InstanceState.RUNNING):
        return msgspec.structs.replace(operation, status="Succeeded")
    status = cast("OperationStatus", f"{operation.name}Failed")
    return msgspec.structs.replace(operation, status=status, reason=reason)


def _set_state(
    transaction: Transaction, found: Instance, state: InstanceState, reason: str
) -> None:
    check_transition(found.name, found.state, state)
    _set(transaction, found.name, state=state, reason=reason)
    transaction.event("instance.state", found.name, state=state)


def _set(transaction: Transaction, name: str, **values: Any) -> None:
    changes = ", ".join(f'"{column}" = :{column}' for column in values)
    transaction.execute(
        f"UPDATE compute_instance SET {changes} WHERE name = :name", name=name, **values
    )


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _instance(row: Row) -> Instance:
    def decoded(column: str, kind: Any) -> Any:
        return msgspec.json.decode(row[column], type=kind)

    return Instance(
        name=row["name"],
        state=InstanceState(row["state"]),
        reason=row["reason"],
        launch=row["launch"],
        operation=decoded("operation_json", LastOperation),
        owner=row["owner"],
        assigned_user=row["assigned_user"],
        compute_target=row["compute_target"],
        resources=decoded("resources_json", Resources) if row["resources_json"] else None,
        environment=row["environment"],
        idle_seconds=row["idle_seconds"],
        schedules=decoded("schedules_json", list[Schedule]),
        since=row["since"],
        scripts=decoded("scripts_json", SetupScripts),
        variables=decoded("variables_json", dict[str, str]),
        restarts=row["restarts"],
        description=row["description"],
        tags=decoded("tags_json", dict[str, str]),
        created=row["created"],
        updated=row["updated"],
    )
