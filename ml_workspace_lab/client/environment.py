"""An environment as its users hold it."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.environments.model import (
    BuildInfo,
    EnvironmentVersion,
    ExistingPython,
    KernelEnvironment,
    PipRequirements,
    RegisterEnvironment,
    Specification,
)
from ml_workspace_lab.errors import InvalidInput, Unavailable, shown

if TYPE_CHECKING:
    from ml_workspace_lab.client.workspace import Workspace

START_SECONDS = 60.0
"""A build that was asked for shows within so long."""


@dataclass(frozen=True)
class Environment:
    """What runs run in: packages for an interpreter, under a name.

    Made by one of the class methods; `register` (or submitting a run with it) makes it a version
    in a workspace, with every package locked. The same content is the same version. `version` is
    None until then.
    """

    name: str
    specification: Specification
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None

    @classmethod
    def from_kernel(
        cls, name: str, *, variables: Sequence[str] = (), description: str = ""
    ) -> "Environment":
        """What this process has now: interpreter and packages. Of its environment variables only
        those are kept that change results and hold no secret, and those that `variables` names.

        Runs use this very interpreter for as long as it has exactly that; afterwards, and on
        other machines, the same versions are installed.
        """
        from ml_workspace_lab.environments.inspection import own_record

        record = own_record(tuple(variables))
        named = {n: os.environ[n] for n in variables if n in os.environ}
        return cls(name, KernelEnvironment(record), description, environment_variables=named)

    @classmethod
    def from_pip_requirements(
        cls,
        name: str,
        requirements: str | Path | Sequence[str],
        *,
        python_version: str | None = None,
        allow_urls: Sequence[str] = (),
        description: str = "",
    ) -> "Environment":
        """Packages from a requirements file, or from a list of its lines. Options in it are
        refused; a package that names an address has to be in `allow_urls`. Raises InvalidInput."""
        from ml_workspace_lab.environments.requirements import read

        if isinstance(requirements, str | Path):
            lines = read(_text(Path(requirements)))
        else:
            lines = list(requirements)
        values = {
            "requirements": lines,
            "python_version": python_version,
            "allow_urls": list(allow_urls),
        }
        return cls(name, convert(values, PipRequirements), description)

    @classmethod
    def from_conda_specification(
        cls,
        name: str,
        path: str | Path,
        *,
        allow_urls: Sequence[str] = (),
        description: str = "",
    ) -> "Environment":
        """What an `environment.yml` of conda says, as far as PyPI has it. Raises InvalidInput."""
        from msgspec.structs import replace as with_

        from ml_workspace_lab.environments.conda import read

        specification = with_(read(_text(Path(path))), allow_urls=list(allow_urls))
        return cls(name, specification, description)

    @classmethod
    def from_existing(
        cls, name: str, python: str | Path, *, description: str = ""
    ) -> "Environment":
        """An interpreter of the workspace's machine, used as it is; it must have this package."""
        return cls(name, ExistingPython(str(python)), description)

    @classmethod
    def of(cls, found: EnvironmentVersion) -> "Environment":
        """A version that is registered."""
        return cls(
            found.name,
            found.specification,
            found.description,
            found.tags,
            found.environment_variables,
            found.version,
        )

    @classmethod
    def all_of(cls, workspace: "Workspace") -> "dict[str, Environment]":
        """The newest version of every environment, by name."""
        environments = workspace.connection.environments
        names = [info.name for info in environments.list().items]
        return {name: cls.of(environments.get(name)) for name in names}

    @property
    def reference(self) -> str:
        """NAME:VERSION, or NAME where it is not registered yet."""
        return self.name if self.version is None else f"{self.name}:{self.version}"

    def register(self, workspace: "Workspace") -> "Environment":
        """The version in the workspace: a new one, or the one that has the same content."""
        body = RegisterEnvironment(
            self.specification,
            self.description,
            dict(self.tags),
            dict(self.environment_variables),
        )
        return self.of(workspace.connection.environments.register(self.name, body))

    def build(self, workspace: "Workspace", *, timeout_seconds: float = 3600) -> BuildInfo:
        """Have it built now and wait for that, so that no run has to. Raises BuildFailed with what
        the tools said, Unavailable where it takes longer."""
        from ml_workspace_lab.environments.tools import BuildFailed

        found = self if self.version is not None else self.register(workspace)
        environments = workspace.connection.environments
        info = environments.build(found.name, found.version)
        began = time.monotonic()
        while info.state in ("building", "absent"):
            waited = time.monotonic() - began
            if waited > (timeout_seconds if info.state == "building" else START_SECONDS):
                raise Unavailable(f"{found.reference} is not built after {waited:.0f} s.")
            time.sleep(0.2)
            info = environments.built(found.name, found.version)
        if info.state == "failed":
            raise BuildFailed(info.reason)
        return info

    def with_variables(self, **variables: str) -> "Environment":
        """The same with environment variables that are set for its runs."""
        merged = {**self.environment_variables, **variables}
        return replace(self, environment_variables=merged, version=None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InvalidInput(f"{shown(path)} can't be read: {why}.", field="path") from None
