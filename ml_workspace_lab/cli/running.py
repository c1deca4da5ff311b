"""`run`: submit a notebook, a script or a command, and follow it."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.configs import (
    CommandConfig,
    NotebookRunConfig,
    RunConfig,
    ScriptRunConfig,
)
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.model import RunInfo
from ml_workspace_lab.pairs import pairs, typed_pairs


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
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="end it as Failed then")
    parser.add_argument("--cold", action="store_true", help="use no process started ahead")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="print the log; exit with 1 where it fails"
    )
    parser.set_defaults(act=run)


def run(options: argparse.Namespace) -> RunInfo | None:
    config = _config(options)
    default = Path(options.file).stem if options.file else Path(options.command_line[0]).name
    submitted = workspace(options).experiment(options.experiment or default).submit(config)
    if not options.follow:
        return submitted.info()
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
    }
    if options.command_line and not options.file:
        _only_for_notebooks(options)
        return CommandConfig(Path(), options.command_line, **shared)
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
        return ScriptRunConfig(path.parent, path.name, arguments, **shared)
    if options.arguments or options.command_line:
        raise InvalidInput(
            "arguments: a notebook takes none.", field="arguments", hint="Use -p NAME=VALUE."
        )
    return NotebookRunConfig(
        path.parent,
        path.name,
        parameters=typed_pairs(options.param),
        kernel_name=options.kernel,
        **shared,
    )


def _only_for_notebooks(options: argparse.Namespace) -> None:
    for field, given in (("param", options.param), ("kernel", options.kernel)):
        if given:
            raise InvalidInput(f"{field}: is for notebooks only.", field=field)
