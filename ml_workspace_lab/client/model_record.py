"""What a model's version is: its record, and what of it can be changed at any time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.errors import NotFound
from ml_workspace_lab.models.model import (
    ModelVersion,
    SetAlias,
    SetStage,
    Stage,
    UpdateModelVersion,
)

if TYPE_CHECKING:
    from ml_workspace_lab.client.workspace import Workspace
    from ml_workspace_lab.models.trust import TrustDecision


class ModelRecord:
    """The part of `Model` that reads and changes the version's record."""

    def __init__(self, workspace: "Workspace", info: ModelVersion) -> None:
        self.workspace = workspace
        self._info = info

    @property
    def name(self) -> str:
        return self._info.name

    @property
    def version(self) -> int:
        return self._info.version

    @property
    def id(self) -> str:
        return f"{self.name}:{self.version}"

    def info(self) -> ModelVersion:
        """The whole record as it is now. Raises NotFound where it is deleted."""
        self._info = self.workspace.connection.models.version(self.name, self.version)
        return self._info

    def get_details(self) -> dict[str, Any]:
        details: dict[str, Any] = msgspec.to_builtins(self.info())
        return details

    @property
    def tags(self) -> dict[str, str]:
        return self.info().tags

    @property
    def properties(self) -> dict[str, str]:
        return self.info().properties

    @property
    def description(self) -> str:
        """What it is, in Markdown; setting it replaces it."""
        return self.info().description

    @description.setter
    def description(self, text: str) -> None:
        self._update(description=text)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._update(tags=dict(tags))

    def remove_tags(self, keys: Sequence[str]) -> None:
        self._update(remove_tags=list(keys))

    def add_properties(self, properties: Mapping[str, str]) -> None:
        """Add properties; one that is set already never changes (Conflict)."""
        self._update(properties=dict(properties))

    @property
    def aliases(self) -> list[str]:
        return self.info().aliases

    def set_alias(self, alias: str) -> None:
        """Let an alias name this version, and no other from now on."""
        self.workspace.connection.registry.set_alias(self.name, alias, SetAlias(self.version))

    def remove_alias(self, alias: str) -> None:
        """Take an alias away. Raises NotFound where it does not name this version."""
        if alias not in self.aliases:
            raise NotFound(f"{self.id} has no alias {alias!r}.", field="alias")
        self.workspace.connection.registry.delete_alias(self.name, alias)

    @property
    def stage(self) -> Stage:
        return self.info().stage

    def set_stage(self, stage: Stage, *, archive_existing: bool = False) -> None:
        """Bring this version to a stage; those that stand there already go to the archive where
        `archive_existing` says so."""
        body = convert({"stage": stage, "archive_existing": archive_existing}, SetStage)
        self._info = self.workspace.connection.registry.move(self.name, self.version, body)

    def trust(self, note: str = "") -> "TrustDecision":
        """Let scoring processes load this version though its files execute code (`executes_code`):
        where you know who made them. The decision is recorded and holds for this content alone."""
        from ml_workspace_lab.models.trust import DecideTrust

        trust = self.workspace.connection.model_trust
        content = trust.get(self.name, self.version).content
        return trust.decide(self.name, self.version, DecideTrust(content, note))

    def revoke_trust(self) -> None:
        """Take the decision back: no process loads this version from now on."""
        self.workspace.connection.model_trust.revoke(self.name, self.version)

    def archive(self) -> None:
        """Leave this version out of what is listed; all of it is kept."""
        self.set_stage("Archived")

    def restore(self) -> None:
        """Bring this version back from the archive, to no stage."""
        self.set_stage("None")

    def _update(self, **changes: Any) -> None:
        body = UpdateModelVersion(**changes)
        self._info = self.workspace.connection.models.update(self.name, self.version, body)


def named(connection: Connection, name: str, version: int | None) -> ModelVersion:
    """The version of that number; without one that of an alias, `NAME@ALIAS`, or the newest."""
    if version is not None:
        return connection.models.version(name, version)
    model, at, alias = name.rpartition("@")
    try:
        found = connection.models.get(name)
    except NotFound:
        if not at or not model or not alias:
            raise
        return connection.registry.by_alias(model, alias)
    if not found.latest_version:
        raise NotFound(f"The model {name!r} has no versions.", field="model")
    return connection.models.version(name, found.latest_version)
