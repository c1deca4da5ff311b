"""`init`, `show` and `diagnose`: the workspace itself."""

import argparse
from pathlib import Path
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.workspace import start_here
from ml_workspace_lab.workspace.model import Diagnosis, WorkspaceInfo


def add_commands(commands: Any) -> None:
    init = commands.add_parser("init", help="start a workspace in this folder")
    init.add_argument("name", nargs="?", help="default: made of the folder's name")
    init.add_argument("--folder", type=Path, default=Path(), help="default: this one")
    init.set_defaults(act=_init)
    show = commands.add_parser("show", help="show the workspace")
    show.set_defaults(act=_show)
    diagnose = commands.add_parser("diagnose", help="check every part of the workspace")
    diagnose.set_defaults(act=_diagnose)


def _init(options: argparse.Namespace) -> WorkspaceInfo:
    return start_here(options.name, options.folder).info()


def _show(options: argparse.Namespace) -> WorkspaceInfo:
    return workspace(options).info()


def _diagnose(options: argparse.Namespace) -> Diagnosis:
    return workspace(options).diagnose()
