"""Compute instances: create, start, stop, restart, delete, and the way into one."""

import builtins
import secrets
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ml_workspace_lab.access.authorize import allows
from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import LogChunk, Offset
from ml_workspace_lab.compute.instances import schedules, store
from ml_workspace_lab.compute.instances.folder import InstanceFolder
from ml_workspace_lab.compute.instances.model import (
    CreateInstance,
    InstanceAccess,
    InstanceFiles,
    InstanceInfo,
    InstanceList,
    InstanceName,
    InstanceState,
    OperationName,
    Trigger,
    UpdateInstance,
)
from ml_workspace_lab.compute.instances.placement import placement
from ml_workspace_lab.compute.instances.states import AT_WORK, UP
from ml_workspace_lab.compute.instances.store import Instance
from ml_workspace_lab.compute.wake import is_running
from ml_workspace_lab.errors import Conflict, Denied, InvalidInput, Unavailable
from ml_workspace_lab.storage.database import now

VARIABLES_LIMIT = 64 * 1024
OURS = ("ML_WORKSPACE", "JUPYTER_", "JPY_")
EVERYTHING = "*"


class Instances(Service):
    """Jupyter servers of the workspace's machine or of a target, each with an owner."""

    @operation("GET", "/instances", action="computes/instances/read")
    def list(self) -> InstanceList:
        """All instances by name, whoever they belong to."""
        return InstanceList([self._info(one) for one in store.instances(self.storage.database)])

    @operation("GET", "/instances/{name}", action="computes/instances/read")
    def get(self, name: InstanceName) -> InstanceInfo:
        """The instance as it is now."""
        return self._info(store.get(self.storage.database, name))

    @operation("POST", "/instances", action="computes/instances/write")
    def create(self, body: CreateInstance) -> InstanceInfo:
        """A new instance, which is started at once. Raises Conflict where the name is taken."""
        placement(self.services, body.compute_target, body.resources, caller().name)
        values = self._values(msgspec.structs.asdict(body))
        folder = InstanceFolder(self.storage.instance(body.name))
        with self.storage.database.write() as transaction:
            if store.find(transaction, body.name):
                raise Conflict(f"There is a compute instance {body.name} already.", field="name")
            if folder.path.exists():
                raise Conflict(
                    f"There are files of a former {body.name} that nobody has a record of.",
                    field="name",
                    hint=f"Move instances/{body.name} out of the workspace's folder.",
                )
            store.insert(
                transaction,
                body.name,
                caller().name,
                assigned_user=body.assigned_user,
                compute_target=body.compute_target,
                tags_json=_text(body.tags),
                **values,
            )
            folder.make(secrets.token_urlsafe(32))
        return self._woken(body.name)

    @operation("PATCH", "/instances/{name}", action="computes/instances/write")
    def update(self, name: InstanceName, body: UpdateInstance) -> InstanceInfo:
        """Change its settings. Raises Denied for others than its user, in whose name they act."""
        self._require_user(name)
        given = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
        added, removed = given.pop("tags"), given.pop("remove_tags")
        if "resources" in given:
            target = store.get(self.storage.database, name).compute_target
            placement(self.services, target, given["resources"], caller().name)
        values = self._values(given)
        with self.storage.database.write() as transaction:
            tags = {**store.get(transaction, name).tags, **added}
            kept = {key: value for key, value in tags.items() if key not in removed}
            store.update(transaction, name, tags_json=_text(kept), **values)
        return self._woken(name)

    @operation("POST", "/instances/{name}/start", action="computes/instances/start/action")
    def start(self, name: InstanceName) -> InstanceInfo:
        """Start its server again, on the files that it had. Raises Conflict while it is there."""
        return self._ask(name, OperationName.START)

    @operation("POST", "/instances/{name}/stop", action="computes/instances/stop/action")
    def stop(self, name: InstanceName) -> InstanceInfo:
        """End its server with all kernels and terminals; its files stay."""
        return self._ask(name, OperationName.STOP)

    @operation("POST", "/instances/{name}/restart", action="computes/instances/restart/action")
    def restart(self, name: InstanceName) -> InstanceInfo:
        """End its server and start it again; its files stay."""
        return self._ask(name, OperationName.RESTART)

    @operation("DELETE", "/instances/{name}", action="computes/instances/delete")
    def delete(self, name: InstanceName) -> InstanceFiles:
        """End its server and remove its working folder for good; what is in that now."""
        found = self.files(name)
        self._ask(name, OperationName.DELETE)
        return found

    @operation("GET", "/instances/{name}/files", action="computes/instances/read")
    def files(self, name: InstanceName) -> InstanceFiles:
        """Where its working folder is, and how much is in it: what a deletion would remove."""
        store.get(self.storage.database, name)
        folder = InstanceFolder(self.storage.instance(name))
        count, size = folder.measure()
        return InstanceFiles(name, str(folder.files), count, size)

    @operation("GET", "/instances/{name}/log", action="computes/instances/read")
    def log(
        self,
        name: InstanceName,
        offset: Offset = 0,
        limit: Annotated[int, Meta(ge=1, le=4 * 1024 * 1024)] = 256 * 1024,
    ) -> LogChunk:
        """The part of its log from byte `offset` on: what its scripts and its server print. The
        last megabytes are kept; a part begins later than asked where what was there is gone."""
        store.get(self.storage.database, name)
        return InstanceFolder(self.storage.instance(name)).log.read(offset, limit)

    @operation(
        "POST",
        "/instances/{name}/access",
        action="computes/instances/applicationaccess/action",
    )
    def access(self, name: InstanceName) -> InstanceAccess:
        """The way into its server. Raises Denied for others than its user, Unavailable while it
        does not run."""
        found = self._require_user(name)
        folder = InstanceFolder(self.storage.instance(name))
        address = folder.launch(found.launch).address()
        if self._info(found).state is not InstanceState.RUNNING or address is None:
            raise Unavailable(
                f"{name} is {found.state}. {found.reason}".rstrip(),
                hint=f"`ml-workspace instance start {name}` starts it.",
            )
        base, token = f"http://127.0.0.1:{address.port}{address.base_url}", folder.token.read_text()
        return InstanceAccess(name, f"{base}?token={token}", base, token)

    def on_target(self, target: str) -> builtins.list[str]:
        """The instances that are at work on a target."""
        found = store.instances(self.storage.database)
        return [o.name for o in found if o.compute_target == target and o.state in AT_WORK]

    def _ask(self, name: str, operation_name: OperationName) -> InstanceInfo:
        with self.storage.database.write() as transaction:
            store.ask(transaction, name, operation_name, Trigger.USER, caller().name)
        return self._woken(name)

    def _woken(self, name: str) -> InstanceInfo:
        self.services.computes.wake()
        return self.get(name)

    def _require_user(self, name: str) -> Instance:
        """The instance, for whom it is for and for those who may do everything."""
        found = store.get(self.storage.database, name)
        user = found.assigned_user or found.owner
        if caller().name != user and not allows(caller(), EVERYTHING):
            raise Denied(
                f"The compute instance {name} is for {user} alone.",
                field="name",
                hint="Create one of your own.",
            )
        return found

    def _values(self, given: dict[str, Any]) -> dict[str, Any]:
        """The columns of what is given, checked. Raises InvalidInput naming the field."""
        values: dict[str, Any] = {k: given[k] for k in ("environment", "description") if k in given}
        if values.get("environment") is not None:
            self.services.environments.resolve(values["environment"])
        if given.get("resources") is not None:
            values["resources_json"] = _text(given["resources"])
        if "idle_minutes_before_shutdown" in given:
            minutes = given["idle_minutes_before_shutdown"]
            values["idle_seconds"] = None if minutes is None else minutes * 60
        if "schedules" in given:
            schedules.check(given["schedules"])
            values["schedules_json"] = _text(given["schedules"])
        if "setup_scripts" in given:
            values["scripts_json"] = _text(given["setup_scripts"])
        if "environment_variables" in given:
            _check_variables(given["environment_variables"])
            values["variables_json"] = _text(given["environment_variables"])
        return values

    def _info(self, one: Instance) -> InstanceInfo:
        folder = InstanceFolder(self.storage.instance(one.name))
        launch = folder.launch(one.launch)
        state, reason = one.state, one.reason
        is_lost = state is InstanceState.RUNNING and not launch.is_alive()
        if is_lost and not is_running(self.storage.root):
            state = InstanceState.UNKNOWN
            reason = "Its server is not there, and no background process has seen to it yet."
        return InstanceInfo(
            name=one.name,
            state=state,
            reason=reason,
            owner=one.owner,
            assigned_user=one.assigned_user,
            last_operation=one.operation,
            last_activity=launch.last_activity() if state in UP else None,
            idle_minutes_before_shutdown=one.idle_seconds and one.idle_seconds / 60,
            schedules=schedules.plan(one.schedules, now() // 60_000 * 60_000),
            compute_target=one.compute_target,
            resources=one.resources,
            environment=one.environment,
            setup_scripts=one.scripts,
            environment_variables=sorted(one.variables),
            restarts=one.restarts,
            description=one.description,
            tags=one.tags,
            created=one.created,
            updated=one.updated,
        )


def _check_variables(variables: dict[str, str]) -> None:
    for name in variables:
        if name.startswith(OURS):
            raise InvalidInput(
                f"environment_variables: {name} is set by the instance itself.",
                field="environment_variables",
            )
    if sum(len(f"{name}={value}".encode()) for name, value in variables.items()) > VARIABLES_LIMIT:
        raise InvalidInput(
            f"environment_variables: are over {VARIABLES_LIMIT // 1024} KiB together.",
            field="environment_variables",
        )


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
