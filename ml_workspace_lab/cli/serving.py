"""`serve`: the workspace over HTTP, without JupyterLab."""

import argparse
import asyncio
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.workspace import folder
from ml_workspace_lab.workspace.locate import locate, parse

if TYPE_CHECKING:
    from ml_workspace_lab.server.serve import Ready

PORT = 5000


def add_commands(commands: Any) -> None:
    parser = commands.add_parser(
        "serve",
        help="serve the workspace over HTTP, without JupyterLab",
        description="Serve the workspace to remote clients until Ctrl-C. With -o json the first "
        "line says url, token and pid.",
    )
    parser.add_argument(
        "-w", "--workspace", metavar="FOLDER", default=argparse.SUPPRESS, help="default: as always"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}; 0 is a free one")
    parser.add_argument("--token", help="the Owner's token; default: a new one for this server")
    parser.add_argument("--no-token", action="store_true", help="on loopback: let everyone in")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name that clients use for this server",
    )
    parser.set_defaults(act=_serve)


def _serve(options: argparse.Namespace) -> None:
    # Tornado is for this command alone.
    from ml_workspace_lab.server import alone, serve

    root = _folder(options)
    rules = alone.entry(options.host, options.allow_host, options.token, is_open=options.no_token)
    sockets = serve.bind(options.host, options.port)
    serve.log_to_error_stream()

    def announce(ready: "Ready") -> None:
        _print(ready, options.output, is_given=options.token is not None)

    asyncio.run(serve.serve(root, sockets, options.host, rules, announce))
    options.output = "text"  # What there is to print has been printed.


def _folder(options: argparse.Namespace) -> Path:
    location = parse(options.workspace) if options.workspace else locate()
    if location.folder is None:
        raise InvalidInput(
            f"The workspace on {location.url} is served there.",
            field="workspace",
            hint="Name the folder of a workspace on this machine.",
        )
    return folder.open_(location.folder).root


def _print(ready: "Ready", style: str, *, is_given: bool) -> None:
    if style == "json":
        print(json.dumps(dataclasses.asdict(ready)), flush=True)
        return
    print(f"Serving at {ready.url}")
    if ready.token is None:
        print("Everyone on this machine is let in.")
    else:
        print(f"Token: {'the one given' if is_given else ready.token}")
    print("Ctrl-C ends it.", flush=True)
