"""`endpoint invoke-batch`: score the rows of files as a run."""

import argparse
import re
from typing import Any, get_args

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.cli.running import followed
from ml_workspace_lab.client.endpoint import Endpoint
from ml_workspace_lab.endpoints.batch.model import OutputAction
from ml_workspace_lab.experiments.model import RunInfo
from ml_workspace_lab.jobs.model import Retry, RunInput
from ml_workspace_lab.pairs import pairs

_ARTIFACT = re.compile(r"([0-9a-f]{32})(?:/(.+))?")


def add_commands(nouns: dict[str, Any]) -> None:
    parser = nouns["endpoint"].add_parser(
        "invoke-batch", help="score all rows of files, in parallel mini-batches, as a run"
    )
    parser.add_argument("name", help="the endpoint's name")
    parser.add_argument(
        "data", nargs="+", help="files, a folder, or RUN_ID[/PATH] for a run's artifacts"
    )
    parser.add_argument("--deployment", help="default: the one with the most traffic")
    parser.add_argument("--mini-batch-size", type=int, default=1000, metavar="ROWS")
    parser.add_argument(
        "--error-threshold", type=int, default=-1, metavar="ROWS", help="-1: none, the default"
    )
    parser.add_argument("--output-action", default="append_row", choices=get_args(OutputAction))
    parser.add_argument("--max-retries", type=int, default=3, help="of one mini-batch")
    parser.add_argument("--mini-batch-timeout", type=float, metavar="SECONDS")
    parser.add_argument("--workers", type=int, help="processes; default: the target's cores")
    parser.add_argument("--script", help="scoring script with init() and run(mini_batch)")
    parser.add_argument("-e", "--experiment", help="default: the endpoint's name")
    parser.add_argument("-c", "--compute", default="local", help="compute target")
    parser.add_argument("-n", "--run-name", help="a name for the run")
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="end it as Failed then")
    parser.add_argument("--attempts", type=int, default=1, help="how often it is tried at most")
    parser.add_argument("--resume-from", metavar="RUN_ID", help="go on where that run stopped")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="print the log; exit with 1 where it fails"
    )
    parser.set_defaults(act=_invoke)


def _invoke(options: argparse.Namespace) -> RunInfo | None:
    data: Any = options.data
    if len(options.data) == 1:
        [data] = options.data
        if found := _ARTIFACT.fullmatch(data):
            data = RunInput(found[1], found[2] or "outputs")
    settings = {"max_retries": options.max_retries}
    if options.mini_batch_timeout is not None:
        settings["timeout"] = options.mini_batch_timeout
    run = Endpoint(workspace(options), options.name).invoke_batch(
        data,
        deployment=options.deployment,
        mini_batch_size=options.mini_batch_size,
        error_threshold=options.error_threshold,
        output_action=options.output_action,
        retry_settings=settings,
        max_concurrency_per_instance=options.workers,
        scoring_script=options.script,
        experiment=options.experiment,
        display_name=options.run_name,
        compute_target=options.compute,
        timeout_seconds=options.timeout,
        retry=Retry(options.attempts),
        tags=pairs(options.tag, "tag"),
        resume_from=options.resume_from,
    )
    return followed(run, options) if options.follow else run.info()
