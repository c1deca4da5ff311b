"""`runs diff`: what differs between two runs."""

import argparse
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.run_diff import diff


def add_commands(nouns: dict[str, Any]) -> None:
    parser = nouns["runs"].add_parser(
        "diff", help="what differs: files, cells of notebooks, parameters, packages"
    )
    parser.add_argument("before", metavar="RUN_ID")
    parser.add_argument("after", metavar="RUN_ID")
    parser.set_defaults(act=_diff)


def _diff(options: argparse.Namespace) -> Any:
    found = diff(workspace(options), options.before, options.after)
    return found.found if options.output == "json" else str(found).rstrip("\n")
