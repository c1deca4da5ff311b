"""`sync`: send what processes logged to a server before they died or were cut off."""

import argparse
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.sync import SyncReport, sync


def add_commands(commands: Any) -> None:
    parser = commands.add_parser(
        "sync",
        help="send what is left on this machine to the workspace's server",
        description="Processes that log to a workspace on a server, and runners of jobs, keep what"
        " they have to tell on disk until the server has it. This sends what those that have ended"
        " left behind.",
    )
    parser.set_defaults(act=_sync)


def _sync(options: argparse.Namespace) -> SyncReport:
    found = workspace(options)
    return sync(found.connection, found.location.rstrip("/"))
