"""What several commands have in common: the workspace that is meant, and NAME=VALUE words."""

import argparse
from pathlib import Path

from ml_workspace_lab.client.workspace import Workspace
from ml_workspace_lab.workspace.locate import parse


def workspace(options: argparse.Namespace) -> Workspace:
    """The workspace of `-w`, else the configured one; it is closed when the command is done."""
    if options.workspace:
        found = Workspace.at(parse(options.workspace, Path.cwd()))
    else:
        found = Workspace.from_config()
    options.done.callback(found.close)
    return found
