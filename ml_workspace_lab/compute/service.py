"""Compute targets: where runs execute."""

import builtins
import os
import sys
from contextlib import suppress
from typing import Any

import msgspec

from ml_workspace_lab.access.caller import caller
from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Name, Nothing
from ml_workspace_lab.compute import store
from ml_workspace_lab.compute.driver import Driver, Unreachable
from ml_workspace_lab.compute.kernels import kernel_names
from ml_workspace_lab.compute.kinds import driver_type, kinds, make_driver
from ml_workspace_lab.compute.model import (
    ActiveRuns,
    AttachCompute,
    Capacity,
    ComputeInfo,
    ComputeKind,
    ComputeKindList,
    ComputeList,
    NodeList,
    Problem,
    ProblemList,
    UpdateCompute,
)
from ml_workspace_lab.compute.store import Target
from ml_workspace_lab.compute.wake import wake
from ml_workspace_lab.errors import Conflict, NotFound, Unavailable, shown

LOCAL = "local"


class Computes(Service):
    """The compute targets of the workspace: the machine that it lives on, and those attached."""

    @operation("GET", "/computes", action="computes/read")
    def list(self) -> ComputeList:
        """`local` first, then the others in the order in which they were attached."""
        return ComputeList([self._info(target) for target in self.targets()])

    @operation("GET", "/compute-kinds", action="computes/read")
    def kinds(self) -> ComputeKindList:
        """What can be attached here, with the settings of each."""
        found = []
        for name in kinds():
            with suppress(Unavailable):  # a package that lacks something
                found.append(_kind(name))
        return ComputeKindList(found)

    @operation("GET", "/computes/{name}", action="computes/read")
    def get(self, name: Name) -> ComputeInfo:
        """The target. Raises NotFound naming those that there are."""
        return self._info(self.target(name))

    @operation("POST", "/computes", action="computes/write")
    def attach(self, body: AttachCompute) -> ComputeInfo:
        """Let runs be executed there. Its engine is looked at first: raises Unavailable naming what
        is missing, Conflict where the name is taken."""
        target = Target(
            body.name,
            body.kind,
            body.description,
            body.settings,
            body.quotas,
            tags=body.tags,
            workspace_url=body.workspace_url,
        )
        problems = _checked(self.driver(target))
        if problems and not body.unchecked:
            raise _unusable(problems)
        with self.storage.database.write() as transaction:
            if body.name == LOCAL or store.find(transaction, body.name):
                raise Conflict(
                    f"There is a compute target {shown(body.name)} already.", field="name"
                )
            found = msgspec.structs.replace(target, problems=problems)
            store.put(transaction, found, caller().name)
        self.wake()
        return self.get(body.name)

    @operation("PATCH", "/computes/{name}", action="computes/write")
    def update(self, name: Name, body: UpdateCompute) -> ComputeInfo:
        """Change how it is used. New settings are checked as at the beginning."""
        problems: list[Problem] | None = None
        if body.settings is not msgspec.UNSET:
            changed = msgspec.structs.replace(self.target(name), settings=body.settings)
            problems = _checked(self.driver(changed))
            if problems:
                raise _unusable(problems)
        with self.storage.database.write() as transaction:
            target = store.find(transaction, name) or self.target(name)
            given = {
                field: value
                for field in ("settings", "quotas", "description", "workspace_url")
                if (value := getattr(body, field)) is not msgspec.UNSET
            }
            tags = {**target.tags, **body.tags}
            given["tags"] = {k: v for k, v in tags.items() if k not in body.remove_tags}
            given["problems"] = target.problems if problems is None else problems
            store.put(transaction, msgspec.structs.replace(target, **given), caller().name)
        self.wake()
        return self.get(name)

    @operation("DELETE", "/computes/{name}", action="computes/write")
    def detach(self, name: Name, force: bool = False) -> Nothing:
        """Use it no longer; nothing of the target itself is touched. Raises Conflict while runs,
        deployments or instances use it, unless `force` cancels runs that wait and gives up what
        goes on there."""
        self.target(name)
        if name == LOCAL:
            raise Conflict("The machine of the workspace can't be detached.", field="name")
        if active := self.services.jobs.active(name):
            if not force:
                raise Conflict(
                    f"{len(active)} runs use {shown(name)}.",
                    field="name",
                    hint="Cancel them or wait for their end; `force` gives them up.",
                )
            self.services.jobs.give_up(name)
        if (served := self.services.endpoints.on_target(name)) and not force:
            raise Conflict(
                f"{shown(name)} serves {', '.join(served)}.",
                field="name",
                hint="Delete them first; `force` leaves what there is on the target.",
            )
        if (instances := self.services.instances.on_target(name)) and not force:
            raise Conflict(
                f"{shown(name)} has the compute instances {', '.join(instances)}.",
                field="name",
                hint="Stop them first; `force` leaves what there is on the target.",
            )
        with self.storage.database.write() as transaction:
            store.remove(transaction, name)
        return Nothing()

    @operation("POST", "/computes/{name}/check", action="computes/write")
    def check(self, name: Name) -> ProblemList:
        """Look at the engine now: what is missing, which is kept with the target."""
        target = self.target(name)
        problems = _checked(self.driver(target))
        if problems != target.problems:
            with self.storage.database.write() as transaction:
                store.set_problems(transaction, name, problems)
        return ProblemList(problems)

    @operation("GET", "/computes/{name}/capacity", action="computes/read")
    def capacity(self, name: Name) -> Capacity:
        """What the target has, asked of its engine now. Raises Unavailable where it is silent."""
        try:
            return self.driver(self.target(name)).capacity()
        except Unreachable as error:
            raise Unavailable(f"{name} does not answer: {error}") from None

    @operation("GET", "/computes/{name}/nodes", action="computes/read")
    def list_nodes(self, name: Name) -> NodeList:
        """Its machines, asked of its engine now. Raises Unavailable where it is silent."""
        return NodeList(self.capacity(name).nodes)

    @operation("GET", "/computes/{name}/runs", action="computes/read")
    def active_runs(self, name: Name) -> ActiveRuns:
        """The runs that wait for it or go on there."""
        self.target(name)
        return ActiveRuns(self.services.jobs.active(name))

    def kernels(self) -> frozenset[str]:
        """The names of the Jupyter kernels that a notebook run can use."""
        return kernel_names()

    def wake(self) -> None:
        """See to it that the background process looks at the queue now, and that there is one."""
        wake(self.storage.root)

    def targets(self) -> builtins.list[Target]:
        """The records of all targets."""
        kept = store.targets(self.storage.database)
        return sorted(
            kept if any(one.name == LOCAL for one in kept) else [Target(LOCAL, LOCAL), *kept],
            key=lambda target: target.name != LOCAL,
        )

    def target(self, name: str) -> Target:
        """The record of a target. Raises NotFound naming those that there are."""
        found = store.find(self.storage.database, name)
        if found is not None:
            return found
        if name == LOCAL:
            return Target(LOCAL, LOCAL)
        names = ", ".join(target.name for target in self.targets())
        raise NotFound(
            f"There is no compute target {shown(name)}.",
            field="compute_target",
            hint=f"There is: {names}.",
        )

    def driver(self, target: Target) -> Driver:
        """A driver for a target. Raises InvalidInput naming a setting that is wrong, Unavailable
        where its driver can't be loaded."""
        return make_driver(target.kind, target.name, target.settings, self.storage.root)

    def _info(self, target: Target) -> ComputeInfo:
        running, queued = self.services.jobs.counts(target.name)
        facts: dict[str, Any] = {"slots": target.quotas.max_running, "capabilities": []}
        try:
            driver = self.driver(target)
            facts["capabilities"] = sorted(driver.capabilities)
            if target.kind == LOCAL:
                facts |= _machine() | {"slots": driver.capacity().slots}
            problems = target.problems
        except Unavailable as error:
            problems = [Problem(error.message, error.hint or "")]
        return ComputeInfo(
            name=target.name,
            kind=target.kind,
            state="Unusable" if problems else "Running",
            running=running,
            queued=queued,
            description=target.description,
            settings=target.settings,
            quotas=target.quotas,
            problems=problems,
            tags=target.tags,
            workspace_url=target.workspace_url,
            user=target.user,
            created=target.created,
            updated=target.updated,
            **facts,
        )


def _machine() -> dict[str, Any]:
    """What is known of this machine at this moment."""
    import psutil  # 20 ms that a client which only logs need not pay

    memory = psutil.virtual_memory()
    return {
        "cores": os.cpu_count() or 1,
        "memory_bytes": memory.total,
        "available_memory_bytes": memory.available,
        "load": os.getloadavg()[0],
        "python": sys.executable,
    }


def _kind(name: str) -> ComputeKind:
    return ComputeKind(name, msgspec.json.schema(driver_type(name).settings_type))


def _checked(driver: Driver) -> list[Problem]:
    try:
        return driver.check()
    except Unreachable as error:
        return [Problem(f"Its engine does not answer: {error}")]


def _unusable(problems: list[Problem]) -> Unavailable:
    said = " ".join(f"{one.message} {one.hint}".strip() for one in problems)
    return Unavailable(f"The target can't be used yet. {said}", field="settings")
