"""`run`: submit a notebook, a script or a command, and follow it."""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from ml_workspace_lab.cli.options import size_in_bytes, workspace
from ml_workspace_lab.client.configs import (
    CommandConfig,
    NotebookRunConfig,
    RunConfig,
    ScriptRunConfig,
)
from ml_workspace_lab.client.run import Run
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.ids import is_run_id
from ml_workspace_lab.experiments.model import RunInfo
from ml_workspace_lab.jobs.model import Input, ModelInput, PathInput, Retry, RunInput
from ml_workspace_lab.pairs import pairs, typed_pairs

_MODEL = re.compile(r"([^/:\s]+):(\d+)")


def add_commands(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="run a notebook, a script or (after --) a command as a tracked job",
        usage="ml-workspace run [options] (NOTEBOOK | SCRIPT [-- ARGUMENT ...] | -- COMMAND ...)",
    )
    parser.add_argument("file", nargs="?", help="a notebook or a Python script")
    parser.add_argument("arguments", nargs="*", help="arguments of the script; options after --")
    parser.add_argument("-e", "--experiment", help="default: the file's or command's name")
    parser.add_argument("-c", "--compute", default="local", help="compute target")
    parser.add_argument("-n", "--name", help="a name for the run")
    parser.add_argument("-p", "--param", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("-k", "--kernel", help="kernel to use instead of the notebook's own")
    parser.add_argument(
        "--environment", metavar="NAME[:VERSION]", help="what to run in; default: as it is here"
    )
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="end it as Failed then")
    parser.add_argument("--cold", action="store_true", help="use no process started ahead")
    parser.add_argument("--cores", type=float, default=1, help="processors that it needs")
    parser.add_argument("--memory", metavar="SIZE", help="its memory limit, such as 500M or 4G")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs that it needs")
    parser.add_argument("--nodes", type=int, default=1, help="machines that it needs")
    parser.add_argument("--attempts", type=int, default=1, help="how often it is tried at most")
    parser.add_argument("--priority", type=int, default=0, help="the highest of yours is next")
    parser.add_argument(
        "--after", action="append", default=[], metavar="RUN_ID", help="wait until that succeeded"
    )
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=RUN_ID|MODEL:VERSION|PATH|URL"
    )
    parser.add_argument("--output-folder", action="append", default=[], metavar="NAME")
    parser.add_argument("--resume-from", metavar="RUN_ID", help="begin with that run's outputs")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="print the log; exit with 1 where it fails"
    )
    parser.set_defaults(act=run)


def run(options: argparse.Namespace) -> RunInfo | None:
    config = _config(options)
    default = Path(options.file).stem if options.file else Path(options.command_line[0]).name
    submitted = workspace(options).experiment(options.experiment or default).submit(config)
    return followed(submitted, options) if options.follow else submitted.info()


def followed(submitted: Run, options: argparse.Namespace) -> RunInfo | None:
    """The end of a run whose log is printed as it grows; None where there is no more to print.
    Raises RunFailed."""
    # With -o json the result is the one thing on the output stream.
    stream = sys.stderr if options.output == "json" else sys.stdout
    try:
        info = submitted.wait_for_completion(show_output=True, stream=stream)
    except KeyboardInterrupt:
        print(
            f"The run goes on. `ml-workspace runs cancel {submitted.id}` ends it.", file=sys.stderr
        )
        raise
    return info if options.output == "json" else None


def _config(options: argparse.Namespace) -> RunConfig:
    shared: dict[str, Any] = {
        "compute_target": options.compute,
        "display_name": options.name,
        "tags": pairs(options.tag, "tag"),
        "timeout_seconds": options.timeout,
        "cold": options.cold,
        "resources": Resources(
            options.cores, size_in_bytes(options.memory), options.gpus, options.nodes
        ),
        "retry": Retry(options.attempts),
        "priority": options.priority,
        "after": options.after,
        "inputs": {name: _input(text) for name, text in pairs(options.input, "input").items()},
        "outputs": options.output_folder,
        "resume_from": options.resume_from,
        "environment": options.environment,
    }
    parameters = typed_pairs(options.param)
    if options.command_line and not options.file:
        _only_for_notebooks(options)
        return CommandConfig(Path(), options.command_line, parameters, **shared)
    if not options.file:
        raise InvalidInput(
            "Nothing to run was named.",
            field="file",
            hint="Name a notebook or a script, or a command after `--`.",
        )
    path = Path(options.file)
    if path.suffix != ".ipynb":
        _only_for_notebooks(options)
        arguments = [*options.arguments, *options.command_line]
        return ScriptRunConfig(path.parent, path.name, arguments, parameters, **shared)
    if options.arguments or options.command_line:
        raise InvalidInput(
            "arguments: a notebook takes none.", field="arguments", hint="Use -p NAME=VALUE."
        )
    return NotebookRunConfig(
        path.parent,
        path.name,
        parameters=parameters,
        kernel_name=options.kernel,
        **shared,
    )


def _only_for_notebooks(options: argparse.Namespace) -> None:
    if options.kernel:
        raise InvalidInput("kernel: is for notebooks only.", field="kernel")


def _input(text: str) -> Input:
    """What a word names: a run by its id, a model's version, else a path or URL as it is."""
    if is_run_id(text):
        return RunInput(text)
    if (model := _MODEL.fullmatch(text)) and not Path(text).exists():
        return ModelInput(model[1], int(model[2]))
    return PathInput(text)
