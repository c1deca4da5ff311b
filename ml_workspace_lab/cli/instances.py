"""`instance create|update|start|stop|restart|logs|url`: what takes files, waits or follows."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from ml_workspace_lab.cli.options import resources, workspace
from ml_workspace_lab.client.instance import ComputeInstance
from ml_workspace_lab.compute.instances.model import (
    LOCAL,
    InstanceInfo,
    SetupScript,
    SetupScripts,
    UpdateInstance,
)
from ml_workspace_lab.compute.instances.schedules import parse
from ml_workspace_lab.pairs import pairs

FOLLOW_SECONDS = 0.5


def add_commands(nouns: dict[str, Any]) -> None:
    verbs = nouns["instance"]
    create = verbs.add_parser("create", help="a new Jupyter server, started at once")
    create.add_argument("name", help="3 to 24 letters, digits or -")
    create.add_argument(
        "-c",
        "--compute",
        default=LOCAL,
        metavar="TARGET",
        help="target that it is a job of",
    )
    create.add_argument("--for", dest="assigned_user", metavar="USER", help="whose it is to be")
    _add_settings(create)
    _add_wait(create)
    create.set_defaults(act=_create)
    update = verbs.add_parser("update", help="change what is given; lists are replaced whole")
    update.add_argument("name")
    _add_settings(update)
    update.set_defaults(act=_update)
    for verb, said in (
        ("start", "start its server again"),
        ("stop", "end its server; its files stay"),
        ("restart", "end its server and start it again"),
    ):
        parser = verbs.add_parser(verb, help=said)
        parser.add_argument("name")
        _add_wait(parser)
        parser.set_defaults(act=_ask, verb=verb)
    logs = verbs.add_parser("logs", help="what its scripts and its server print")
    logs.add_argument("name")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    logs.set_defaults(act=_logs)
    url = verbs.add_parser("url", help="the address that opens it, with its token")
    url.add_argument("name")
    url.set_defaults(act=_url)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-e", "--environment", metavar="NAME[:VERSION]")
    parser.add_argument("--creation-script", type=Path, metavar="FILE", help="run once, by bash")
    parser.add_argument("--startup-script", type=Path, metavar="FILE", help="run at each start")
    parser.add_argument("--script-minutes", type=float, default=15, help="their limit (15)")
    parser.add_argument("--env", action="append", metavar="NAME=VALUE")
    parser.add_argument("--idle-minutes", type=float, help="stop after so long; 0: never")
    parser.add_argument(
        "--schedule",
        action="append",
        metavar="'stop 0 18 * * 1-5 ZONE'",
        help="start or stop by cron's five fields; at most four",
    )
    parser.add_argument("--cores", type=float, help="processors for a job elsewhere")
    parser.add_argument("--memory", metavar="SIZE", help="and its memory, such as 500M or 4G")
    parser.add_argument("--gpus", type=int, help="and its GPUs")
    parser.add_argument("-d", "--description")
    parser.add_argument("-t", "--tag", action="append", metavar="NAME=VALUE")


def _add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="don't wait until it is done")


def _create(options: argparse.Namespace) -> InstanceInfo:
    scripts = _scripts(options)
    return ComputeInstance.create(
        workspace(options),
        options.name,
        environment=options.environment,
        creation_script=scripts.creation,
        startup_script=scripts.startup,
        environment_variables=pairs(options.env or [], "env"),
        idle_minutes_before_shutdown=options.idle_minutes or None,
        schedules=options.schedule or [],
        assigned_user=options.assigned_user,
        description=options.description or "",
        tags=pairs(options.tag or [], "tag"),
        compute_target=options.compute,
        resources=resources(options),
        wait=not options.no_wait,
    ).info()


def _update(options: argparse.Namespace) -> InstanceInfo:
    given: dict[str, Any] = {"tags": pairs(options.tag or [], "tag")}
    if options.environment is not None:
        given["environment"] = options.environment
    if options.creation_script or options.startup_script:
        given["setup_scripts"] = _scripts(options)
    if options.env is not None:
        given["environment_variables"] = pairs(options.env, "env")
    if options.idle_minutes is not None:
        given["idle_minutes_before_shutdown"] = options.idle_minutes or None
    if options.schedule is not None:
        given["schedules"] = [parse(text) for text in options.schedule]
    if (asked := resources(options)) is not None:
        given["resources"] = asked
    if options.description is not None:
        given["description"] = options.description
    return workspace(options).connection.instances.update(options.name, UpdateInstance(**given))


def _ask(options: argparse.Namespace) -> InstanceInfo:
    instance = ComputeInstance(workspace(options), options.name)
    getattr(instance, options.verb)(wait=not options.no_wait)
    return instance.info()


def _logs(options: argparse.Namespace) -> None:
    connection, offset = workspace(options).connection, 0
    while True:
        part = connection.instances.log(options.name, offset)
        sys.stdout.write(part.text)
        sys.stdout.flush()
        is_read = part.next >= part.size or part.next == offset
        offset = part.next
        if is_read and not options.follow:
            return
        if is_read:
            time.sleep(FOLLOW_SECONDS)


def _url(options: argparse.Namespace) -> str:
    return ComputeInstance(workspace(options), options.name).url


def _scripts(options: argparse.Namespace) -> SetupScripts:
    def script(path: Path | None) -> SetupScript | None:
        if path is None:
            return None
        return SetupScript(path.read_text(encoding="utf-8"), options.script_minutes)

    return SetupScripts(script(options.creation_script), script(options.startup_script))
