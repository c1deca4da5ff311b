"""A compute target as its users hold it."""

import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from msgspec import UNSET

from ml_workspace_lab.compute.model import (
    AttachCompute,
    Capacity,
    ComputeInfo,
    Node,
    Problem,
    Quotas,
    UpdateCompute,
)

if TYPE_CHECKING:
    from ml_workspace_lab.client.run import Run
    from ml_workspace_lab.client.workspace import Workspace


class ComputeTarget:
    """A place where runs execute. `ComputeTarget(workspace, name)` is one that is attached already;
    raises NotFound naming those that there are."""

    def __init__(self, workspace: "Workspace", name: str) -> None:
        self.workspace = workspace
        self.name = name
        self._info = workspace.connection.computes.get(name)

    @classmethod
    def attach(
        cls,
        workspace: "Workspace",
        name: str,
        kind: str,
        settings: Mapping[str, Any] | None = None,
        *,
        quotas: Quotas | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        workspace_url: str | None = None,
        unchecked: bool = False,
    ) -> Self:
        """Let runs be executed on an engine of a kind such as `slurm`, `ray` or `kubernetes`.

        `workspace_url` is the address at which its machines reach the workspace, or `auto` for a
        server that the workspace starts itself; without it they use the workspace's folder where
        they see it, and `auto` where they don't.

        Its engine is looked at first: raises Unavailable naming what is missing, unless
        `unchecked`.
        """
        body = AttachCompute(
            name,
            kind,
            dict(settings or {}),
            quotas or Quotas(),
            description,
            dict(tags or {}),
            workspace_url,
            unchecked,
        )
        workspace.connection.computes.attach(body)
        return cls(workspace, name)

    @classmethod
    def list(cls, workspace: "Workspace") -> "dict[str, ComputeTarget]":
        """All of the workspace's targets by name, `local` first."""
        found = workspace.connection.computes.list().items
        return {info.name: cls(workspace, info.name) for info in found}

    @property
    def kind(self) -> str:
        return self._info.kind

    def info(self) -> ComputeInfo:
        """Its record now, with how many runs wait and go on there."""
        self._info = self.workspace.connection.computes.get(self.name)
        return self._info

    def get_status(self) -> str:
        """Running, or Unusable where the last look at its engine found problems."""
        return self.info().state

    def check(self) -> builtins.list[Problem]:
        """Look at its engine now: what is missing, nothing where it can be used."""
        return self.workspace.connection.computes.check(self.name).items

    def update(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        quotas: Quotas | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        workspace_url: str | None = None,
    ) -> None:
        """Change what is given; settings and quotas are replaced whole, tags are added. An empty
        `workspace_url` takes the address back."""
        body = UpdateCompute(
            UNSET if settings is None else dict(settings),
            UNSET if quotas is None else quotas,
            UNSET if description is None else description,
            UNSET if workspace_url is None else workspace_url or None,
            tags=dict(tags or {}),
        )
        self._info = self.workspace.connection.computes.update(self.name, body)

    def detach(self, *, force: bool = False) -> None:
        """Use it no longer; nothing of the target itself is touched. Raises Conflict while runs use
        it, unless `force` cancels them."""
        self.workspace.connection.computes.detach(self.name, force)

    def capacity(self) -> Capacity:
        """What it has, asked of its engine now. Raises Unavailable where that does not answer."""
        return self.workspace.connection.computes.capacity(self.name)

    def list_nodes(self) -> builtins.list[Node]:
        """Its machines, asked of its engine now."""
        return self.workspace.connection.computes.list_nodes(self.name).items

    def get_active_runs(self) -> "builtins.list[Run]":
        """The runs that wait for it or go on there, in the order of their submission."""
        found = self.workspace.connection.computes.active_runs(self.name).run_ids
        return [self.workspace.run(run_id) for run_id in found]

    def __repr__(self) -> str:
        return f"ComputeTarget({self.name!r}, {self.kind!r})"
