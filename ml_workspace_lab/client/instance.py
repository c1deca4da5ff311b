"""A compute instance as its users hold it: a Jupyter server with a name."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import msgspec
from msgspec import UNSET

from ml_workspace_lab.client.log_parts import log_parts
from ml_workspace_lab.compute.instances.model import (
    LOCAL,
    CreateInstance,
    InstanceFiles,
    InstanceInfo,
    Schedule,
    SetupScript,
    SetupScripts,
    UpdateInstance,
)
from ml_workspace_lab.compute.instances.schedules import parse
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from ml_workspace_lab.client.workspace import Workspace

PATIENCE_SECONDS = 1800.0
PAUSE_SECONDS = 0.1


class ComputeInstance:
    """A Jupyter server, here or as a job of a compute target. `ComputeInstance(workspace, name)` is
    one that there is; raises NotFound."""

    def __init__(self, workspace: "Workspace", name: str, info: InstanceInfo | None = None) -> None:
        self.workspace = workspace
        self.name = name
        self._info: InstanceInfo = info or workspace.connection.instances.get(name)

    @classmethod
    def create(
        cls,
        workspace: "Workspace",
        name: str,
        *,
        environment: str | None = None,
        creation_script: str | SetupScript | None = None,
        startup_script: str | SetupScript | None = None,
        environment_variables: Mapping[str, str] | None = None,
        idle_minutes_before_shutdown: float | None = None,
        schedules: Sequence[str | Schedule] = (),
        assigned_user: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        compute_target: str = LOCAL,
        resources: Resources | None = None,
        wait: bool = True,
    ) -> Self:
        """A new server, started at once: on this machine, or as a job of a compute target with
        `resources`, for whose turn it waits. Scripts are texts for bash; schedules are texts such
        as `stop 0 18 * * 1-5 Europe/Berlin`, at most four. Raises Unavailable with the reason where
        it does not come up."""
        body = CreateInstance(
            name,
            environment,
            _scripts(creation_script, startup_script),
            dict(environment_variables or {}),
            idle_minutes_before_shutdown,
            _schedules(schedules),
            assigned_user,
            description,
            dict(tags or {}),
            compute_target,
            resources,
        )
        workspace.connection.instances.create(body)
        return cls(workspace, name)._after(wait)

    @classmethod
    def all_of(cls, workspace: "Workspace") -> "dict[str, Self]":
        """All of the workspace's instances by name."""
        found = workspace.connection.instances.list().items
        return {info.name: cls(workspace, info.name, info) for info in found}

    def info(self) -> InstanceInfo:
        self._info = self.workspace.connection.instances.get(self.name)
        return self._info

    def get_status(self) -> InstanceInfo:
        """Its record now: `state`, `reason`, `last_operation`, when its schedules are due."""
        return self.info()

    def get_details(self) -> dict[str, Any]:
        details: dict[str, Any] = msgspec.to_builtins(self.info())
        return details

    def start(self, *, wait: bool = True) -> Self:
        """Start its server again, on the files that it had."""
        self.workspace.connection.instances.start(self.name)
        return self._after(wait)

    def stop(self, *, wait: bool = True) -> Self:
        """End its server with all kernels and terminals; its files stay."""
        self.workspace.connection.instances.stop(self.name)
        return self._after(wait)

    def restart(self, *, wait: bool = True) -> Self:
        """End its server and start it again."""
        self.workspace.connection.instances.restart(self.name)
        return self._after(wait)

    def delete(self, *, wait: bool = True) -> InstanceFiles:
        """End its server and remove its working folder for good; what was in that."""
        found: InstanceFiles = self.workspace.connection.instances.delete(self.name)
        if wait:
            self._wait_until_gone()
        return found

    def files(self) -> InstanceFiles:
        """Where its working folder is, and how much is in it."""
        return self.workspace.connection.instances.files(self.name)

    def update(
        self,
        *,
        environment: str | None = None,
        setup_scripts: SetupScripts | None = None,
        environment_variables: Mapping[str, str] | None = None,
        idle_minutes_before_shutdown: float | None = None,
        schedules: Sequence[str | Schedule] | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        resources: Resources | None = None,
    ) -> None:
        """Change what is given: schedules, scripts and variables are replaced whole, tags are
        added; 0 minutes are never idle. Rules count at once, the rest from the next start."""
        idle: Any = UNSET if idle_minutes_before_shutdown is None else idle_minutes_before_shutdown
        body = UpdateInstance(
            UNSET if environment is None else environment,
            UNSET if setup_scripts is None else setup_scripts,
            UNSET if environment_variables is None else dict(environment_variables),
            None if idle == 0 else idle,
            UNSET if schedules is None else _schedules(schedules),
            UNSET if description is None else description,
            dict(tags or {}),
            resources=UNSET if resources is None else resources,
        )
        self._info = self.workspace.connection.instances.update(self.name, body)

    def wait_for_completion(self, timeout_seconds: float = PATIENCE_SECONDS) -> InstanceInfo:
        """Wait until what was asked of it last is done. Raises Unavailable with the reason where it
        failed, or takes too long."""
        until = time.monotonic() + timeout_seconds
        while (info := self.info()).last_operation.status == "InProgress":
            if time.monotonic() > until:
                raise Unavailable(f"{self.name} is still {info.state}: {info.reason}")
            time.sleep(PAUSE_SECONDS)
        if info.last_operation.status != "Succeeded":
            raise Unavailable(
                f"{self.name} is {info.state}: {info.reason}",
                hint=f"`ml-workspace instance logs {self.name}` shows its log.",
            )
        return info

    @property
    def url(self) -> str:
        """The address that opens its server, with the token: for its user alone."""
        return self.workspace.connection.instances.access(self.name).url

    def get_logs(self) -> str:
        """What its scripts and its server have printed: the last megabytes of it."""
        return "".join(log_parts(partial(self.workspace.connection.instances.log, self.name)))

    def _after(self, wait: bool) -> Self:
        if wait:
            self.wait_for_completion()
        return self

    def _wait_until_gone(self) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        try:
            while time.monotonic() < until:
                self.info()
                time.sleep(PAUSE_SECONDS)
        except NotFound:
            return
        raise Unavailable(f"{self.name} is still there: {self._info.reason}")

    def __repr__(self) -> str:
        return f"ComputeInstance({self.name!r}, {self._info.state})"


def _scripts(creation: str | SetupScript | None, startup: str | SetupScript | None) -> SetupScripts:
    def script(given: str | SetupScript | None) -> SetupScript | None:
        return SetupScript(given) if isinstance(given, str) else given

    return SetupScripts(script(creation), script(startup))


def _schedules(given: Sequence[str | Schedule]) -> list[Schedule]:
    return [parse(one) if isinstance(one, str) else one for one in given]
