"""`backup`, `check`, `recover` and `upgrade`: keeping a workspace."""

import argparse
from pathlib import Path
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.cli.output import print_result
from ml_workspace_lab.errors import Conflict, InvalidInput
from ml_workspace_lab.storage.checking import Check, check
from ml_workspace_lab.storage.engine import upgrade_database
from ml_workspace_lab.storage.storage import Storage
from ml_workspace_lab.workspace.backup import Backup
from ml_workspace_lab.workspace.locate import locate, parse
from ml_workspace_lab.workspace.model import WorkspaceInfo
from ml_workspace_lab.workspace.recovery import Recovery, recover


def add_commands(commands: Any) -> None:
    backup = commands.add_parser(
        "backup",
        help="copy the whole workspace while work goes on",
        description="Copy the workspace into a new folder, which opens as a workspace.",
    )
    backup.add_argument("folder", type=Path)
    backup.set_defaults(act=_backup)
    rescue = commands.add_parser(
        "recover",
        help="save what can be read of a damaged workspace",
        description="Copy what can be read of the workspace into a new one. It stays as it is.",
    )
    rescue.add_argument("folder", type=Path, help="where the new workspace is made")
    rescue.set_defaults(act=_recover)
    whole = commands.add_parser(
        "check",
        help="read every stored content; list what is damaged or missing, and who needs it",
        description="Read every stored content and compare its hash. With a copy, put back what is"
        " damaged here and whole there. Exit code 5 where something stays damaged.",
    )
    whole.add_argument(
        "--repair-from",
        type=Path,
        metavar="FOLDER",
        help="a backup or an exported folder, on another disk: on one disk they share files",
    )
    whole.set_defaults(act=_check)
    upgrade = commands.add_parser(
        "upgrade",
        help="bring a workspace of an earlier release to this one's schema",
        description="A workspace in PostgreSQL waits for this command; others upgrade by "
        "themselves. Back the database up first: there is no way back but that.",
    )
    upgrade.set_defaults(act=_upgrade)


def _backup(options: argparse.Namespace) -> Backup:
    return workspace(options).backup(options.folder)


def _recover(options: argparse.Namespace) -> Recovery:
    return recover(_folder(options), options.folder.absolute())


def _check(options: argparse.Namespace) -> Check:
    found = check(Storage(_folder(options)), options.repair_from)
    left = [item for item in found.items if not item.repaired]
    if left:
        print_result(found, options.output)
        raise Conflict(
            f"{len(left)} contents are damaged or missing.",
            hint="All others can be read. --repair-from FOLDER puts them back from a copy.",
        )
    return found


def _upgrade(options: argparse.Namespace) -> WorkspaceInfo:
    upgrade_database(_folder(options))
    return workspace(options).info()


def _folder(options: argparse.Namespace) -> Path:
    """The folder of the workspace that is meant, which may not open as it is."""
    location = parse(options.workspace) if options.workspace else locate()
    if location.folder is None:
        raise InvalidInput(
            f"The workspace is on {location.url}.",
            field="workspace",
            hint="Do it on the machine that has the workspace's folder.",
        )
    return location.folder
