"""Which workspace is meant: the environment's word, else the nearest config file upwards."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from ml_workspace_lab.errors import InvalidInput, WorkspaceNotConfigured

CONFIG_FOLDER = ".mlworkspace"
CONFIG_FILE = "config.json"
READY = "ready"
"""The file that a store's folder has from when it is whole."""
VARIABLE = "ML_WORKSPACE"
TOKEN_VARIABLE = "ML_WORKSPACE_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE_VARIABLE = "ML_WORKSPACE_TOKEN_FILE"  # noqa: S105 - the name of a variable

HINT = "Start one here: `%ws_init` in a notebook, `ml-workspace init` in a shell."


class Location(Struct, frozen=True):
    """A folder of this machine, or the address of a server."""

    folder: Path | None = None
    url: str | None = None


def locate(start: Path | None = None) -> Location:
    """The workspace meant by `ML_WORKSPACE` (see `parse`), else by `.mlworkspace/config.json` in
    `start` (default: the present folder) or the nearest folder above it.

    Raises WorkspaceNotConfigured where there is none.
    """
    if wanted := os.environ.get(VARIABLE):
        return parse(wanted)
    config = find_config(start or Path.cwd())
    if config is None:
        raise WorkspaceNotConfigured("No workspace is configured here.", hint=HINT)
    return read_config(config)


def token() -> str | None:
    """The token for a workspace on a server: of the environment, or of the file that it names."""
    path = os.environ.get(TOKEN_FILE_VARIABLE)
    if given := os.environ.get(TOKEN_VARIABLE):
        return given
    try:
        return Path(path).read_text(encoding="ascii").strip() if path else None
    except OSError as error:
        raise InvalidInput(
            f"{TOKEN_FILE_VARIABLE}: {path} can't be read: {error.strerror}.",
            field=TOKEN_FILE_VARIABLE,
        ) from None


def find_config(start: Path) -> Path | None:
    start = start.absolute()
    for folder in (start, *start.parents):
        config = folder / CONFIG_FOLDER / CONFIG_FILE
        if config.is_file():
            return config
    return None


def read_config(config: Path) -> Location:
    """What a config file says. A relative location counts from the file's own folder."""
    try:
        content: Any = json.loads(config.read_text(encoding="utf-8"))
        return _place(content["location"], config.parent)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{config} is not a workspace's config file: {error!r}.",
            field="location",
            hint='It should read {"workspace_name": NAME, "location": FOLDER OR URL}.',
        ) from None


def write_config(folder: Path, name: str, location: str) -> Path:
    """Write `.mlworkspace/config.json` below `folder`, so that what lies there finds `location`."""
    config = folder / CONFIG_FOLDER / CONFIG_FILE
    config.parent.mkdir(parents=True, exist_ok=True)
    if not location.startswith(("http://", "https://")):
        path = Path(location).absolute()
        inside = path.is_relative_to(config.parent.absolute())
        location = str(path.relative_to(config.parent.absolute()) if inside else path)
    content = {"workspace_name": name, "location": location}
    config.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return config


def parse(text: str) -> Location:
    """The workspace that a user names: by its address, by the folder of its store, or by a folder
    whose config file names it, as `ml-workspace init` makes one."""
    found = _place(text, Path.cwd())
    return found if found.folder is None else in_folder(found.folder)


def in_folder(folder: Path) -> Location:
    """`folder` itself where it is a store; else what `config.json` says in its `.mlworkspace`, or
    in it where it is a `.mlworkspace` itself; else `folder`."""
    folder = folder.expanduser().absolute()
    if not is_ready(folder):
        own = folder if folder.name == CONFIG_FOLDER else folder / CONFIG_FOLDER
        with suppress(OSError):  # a name that no file can have
            if (own / CONFIG_FILE).is_file():
                return read_config(own / CONFIG_FILE)
    return Location(folder=folder)


def is_ready(folder: Path) -> bool:
    """Whether a folder is a workspace's store."""
    try:
        return (folder / READY).exists()
    except OSError:  # A name that no file can have.
        return False


def _place(text: str, base: Path) -> Location:
    if text.startswith(("http://", "https://")):
        return Location(url=text)
    return Location(folder=(base / Path(text).expanduser()).absolute())
