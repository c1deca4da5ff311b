"""`model package`: an image of a model, saved here or pushed from here."""

import argparse
import sys
from pathlib import Path
from typing import Any, get_args

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.edge_module import EdgeModule
from ml_workspace_lab.client.model import Model
from ml_workspace_lab.endpoints.model import Engine
from ml_workspace_lab.errors import InvalidInput


def add_commands(nouns: dict[str, Any]) -> None:
    package = nouns["model"].add_parser("package", help="make a container image of a version")
    package.add_argument("model", nargs="+", help="NAME or NAME:VERSION; the first names the image")
    package.add_argument("--script", help="scoring script with init() and run(data)")
    package.add_argument("--environment", help="NAME or NAME:VERSION of what it needs")
    package.add_argument("--base", help="image layout, or image in a registry, to put it on")
    package.add_argument(
        "--engine", default="auto", choices=get_args(Engine), help="what is to answer"
    )
    package.add_argument("--save", metavar="PATH", help="write a layout: FILE.tar or a folder")
    package.add_argument("--push", metavar="IMAGE", help="send it to HOST/REPOSITORY:TAG")
    package.add_argument("--username", help="at the registry; default: who `docker login` was")
    package.add_argument(
        "--password-stdin", action="store_true", help="read the password from the input stream"
    )
    package.add_argument(
        "--edge", metavar="FILE", help="write a deployment manifest of Azure IoT Edge; with --push"
    )
    package.add_argument(
        "--edge-port", type=int, metavar="PORT", help="of the device, in that manifest"
    )
    package.set_defaults(act=_package)


def _package(options: argparse.Namespace) -> dict[str, Any]:
    if bool(options.username) != options.password_stdin:
        raise InvalidInput("--username and --password-stdin go together.", field="username")
    if options.edge and not options.push:
        raise InvalidInput("--edge: names the image that --push sends.", field="edge")
    if options.edge_port is not None and not (options.edge and 0 < options.edge_port < 65536):
        raise InvalidInput("--edge-port: is a port, and goes with --edge.", field="edge_port")
    place = workspace(options)
    first, *others = (Model.parse(place, text) for text in options.model)
    made = EdgeModule.create(
        first,
        models=others,
        scoring_script=options.script,
        environment=options.environment,
        base=options.base,
        engine=options.engine,
    )
    info = made.wait(told=_tell)
    found: dict[str, Any] = {"package_id": made.id, "models": info.models, "digest": info.digest}
    who = {}
    if options.username:
        who = {"username": options.username, "password": sys.stdin.readline().rstrip("\r\n")}
    if options.save:
        found |= {"path": options.save, "digest": made.save(options.save, **who)}
    if options.push:
        pushed = made.push(options.push, told=_tell, **who)
        found |= {"image": pushed, "digest": pushed.partition("@")[2]}
        if options.edge:
            Path(options.edge).write_text(
                made.manifest(pushed, port=options.edge_port), encoding="utf-8"
            )
            found["edge"] = options.edge
    return found


def _tell(words: str) -> None:
    print(words, file=sys.stderr)
