"""How a workspace is made, opened, connected to, and let go of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from ml_workspace_lab.api.connection import Connection, LocalConnection
from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.errors import Conflict, Denied
from ml_workspace_lab.workspace import folder
from ml_workspace_lab.workspace.locate import (
    CONFIG_FOLDER,
    TOKEN_VARIABLE,
    Location,
    in_folder,
    is_ready,
    locate,
    read_config,
    token,
    write_config,
)
from ml_workspace_lab.workspace.model import CreateWorkspace


class WorkspaceOpening:
    """The part of `Workspace` that finds the way to it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._info = connection.workspaces.get()

    @classmethod
    def create(
        cls,
        name: str,
        location: str | Path | None = None,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        exist_ok: bool = False,
        database: str | None = None,
    ) -> Self:
        """A new workspace in the folder `location` (default: `.mlworkspace/NAME` here); its records
        are in a file there, or in the PostgreSQL database of the URL `database`.

        Raises Conflict where one is there already, unless `exist_ok` and it has that name.
        """
        values = {"name": name, "description": description, "tags": dict(tags or {})}
        body = convert(values, CreateWorkspace)
        root = Path(location or Path(CONFIG_FOLDER) / name).expanduser()
        try:
            return cls(LocalConnection(folder.create(root, body, database)))
        except Conflict:
            if not exist_ok or not is_ready(root):
                raise
        there = cls.open(root)
        if there.name != name:
            raise Conflict(f"The workspace in {root} is called {there.name!r}.", field="name")
        return there

    @classmethod
    def open(cls, location: str | Path) -> Self:
        """The workspace in the folder `location`, or the one that `.mlworkspace/config.json` names
        there. Raises NotFound where there is none."""
        return cls.at(in_folder(Path(location)))

    @classmethod
    def connect(cls, url: str, token: str) -> Self:
        """The workspace that the Jupyter server at `url` serves, with a token made there
        (`ml-workspace token create`). Raises Unavailable where the server does not answer."""
        from ml_workspace_lab.api.remote import RemoteConnection

        return cls(RemoteConnection(url, token))

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Self:
        """The workspace that `ML_WORKSPACE` names, else the one that `.mlworkspace/config.json`
        names in `path` (default: the present folder) or the nearest folder above; `path` may be
        a config file itself. A workspace on a server wants its token in `ML_WORKSPACE_TOKEN`."""
        if path is not None and Path(path).is_file():
            return cls.at(read_config(Path(path)))
        return cls.at(locate(Path(path) if path is not None else None))

    @classmethod
    def at(cls, location: Location) -> Self:
        if location.folder is not None:
            return cls(LocalConnection(folder.open_(location.folder)))
        known = token()
        if not known:
            raise Denied(
                f"The workspace is on {location.url}, which wants a token.",
                hint=f"Put it into the environment variable {TOKEN_VARIABLE}.",
            )
        assert location.url is not None
        return cls.connect(location.url, known)

    @property
    def name(self) -> str:
        return self._info.name

    @property
    def location(self) -> str:
        """The folder, or the address of the server."""
        url: str | None = getattr(self.connection, "url", None)
        return url or self._info.location

    def write_config(self, path: str | Path = ".") -> Path:
        """Write `.mlworkspace/config.json` below `path`, for `from_config` to find."""
        return write_config(Path(path), self.name, self.location)

    def close(self) -> None:
        """Let go of files and connections; the object may be used again."""
        self.connection.close()

    def __repr__(self) -> str:
        return f"Workspace({self.name!r}, {self.location!r})"
