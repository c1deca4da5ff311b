"""`edge run`: run what a deployment manifest wants, on a device without a container engine."""

import argparse
import os
import signal
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_workspace_lab.errors import InvalidInput

TOKEN, REPORT_TOKEN = "ML_WORKSPACE_EDGE_TOKEN", "ML_WORKSPACE_EDGE_REPORT_TOKEN"


def add_commands(commands: Any) -> None:
    noun = commands.add_parser("edge", help="models on devices")
    verbs = noun.add_subparsers(metavar="COMMAND", required=True)
    run = verbs.add_parser(
        "run",
        help="run the modules of a deployment manifest, without a container engine",
        description="Fetch the images that a deployment manifest names, run them as processes of"
        " this device, and keep that up with the manifest, until Ctrl-C or SIGTERM.",
    )
    run.add_argument(
        "--desired", required=True, metavar="SOURCE", help="the manifest: a path or an http(s) URL"
    )
    run.add_argument("--folder", required=True, metavar="DIR", help="where all of it is kept")
    run.add_argument(
        "--interval", type=float, default=60.0, metavar="SECONDS", help="between looks; default: 60"
    )
    run.add_argument("--report", metavar="URL", help="where reports and telemetry are POSTed")
    run.add_argument("--token-file", metavar="FILE", help=f"bearer token for SOURCE; or in {TOKEN}")
    run.add_argument(
        "--report-token-file", metavar="FILE", help=f"bearer token for URL; or in {REPORT_TOKEN}"
    )
    run.add_argument(
        "--ready", type=float, default=120.0, metavar="SECONDS",
        help="that a new version has until it answers; default: 120",
    )  # fmt: skip
    run.add_argument(
        "--probation", type=float, default=30.0, metavar="SECONDS",
        help="in which a new version that fails is taken back; default: 30",
    )  # fmt: skip
    run.set_defaults(act=_run)


def _run(options: argparse.Namespace) -> None:
    from ml_workspace_lab.models.packages.edge_agent.agent import Agent, Plan
    from ml_workspace_lab.models.packages.edge_agent.house import Patience

    for name in ("interval", "ready", "probation"):
        if not 0 < getattr(options, name) < 1e6:
            raise InvalidInput(f"--{name}: is a number of seconds above 0.", field=name)
    plan = Plan(
        options.desired,
        Path(options.folder).absolute(),
        options.interval,
        options.report,
        _token(options.token_file, TOKEN),
        _token(options.report_token_file, REPORT_TOKEN),
        Patience(options.ready, options.probation),
    )
    agent = Agent(plan, _tell)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not in the handler itself, which may have interrupted what holds the same lock.
        signal.signal(number, lambda *_: threading.Thread(target=agent.leave).start())
    agent.run()


def _token(path: str | None, variable: str) -> str | None:
    found = Path(path).read_text(encoding="utf-8") if path else os.environ.get(variable, "")
    return found.strip() or None


def _tell(words: str) -> None:
    print(f"{datetime.now().astimezone():%Y-%m-%dT%H:%M:%S%z} {words}", flush=True)
