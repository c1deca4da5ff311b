"""The command `ml-workspace`: parse, act, print, and an exit code that scripts can rely on.

Exit codes: 0 ok, 1 run failed, 2 usage, 3 not found, 4 denied, 5 conflict, 6 unreachable.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from ml_workspace_lab.cli import (
    attaching,
    batches,
    deploying,
    derived,
    diffing,
    edge,
    environments,
    instances,
    keeping,
    logs,
    models,
    packaging,
    running,
    serving,
    snapshots,
    start,
    syncing,
    transfer,
)
from ml_workspace_lab.cli.output import print_error, print_result
from ml_workspace_lab.errors import InvalidInput, WorkspaceError, shown

INTERRUPTED = 130
FORMATS = ("text", "json")


def parser() -> argparse.ArgumentParser:
    """All commands. The friendly ones are written by hand, the rest derived from operations."""
    root = argparse.ArgumentParser(
        prog="ml-workspace", description="A machine-learning workspace from the command line."
    )
    root.add_argument(
        "-w",
        "--workspace",
        metavar="FOLDER|URL",
        help="default: ML_WORKSPACE, else .mlworkspace/config.json here or above",
    )
    root.add_argument(
        "-o", "--output", choices=FORMATS, default="text", help="how to print results"
    )
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    start.add_commands(commands)
    running.add_commands(commands)
    serving.add_commands(commands)
    syncing.add_commands(commands)
    keeping.add_commands(commands)
    transfer.add_commands(commands)
    edge.add_commands(commands)
    nouns = derived.add_commands(commands)
    deploying.add_commands(nouns)
    batches.add_commands(nouns)
    packaging.add_commands(nouns)
    diffing.add_commands(nouns)
    models.add_commands(nouns)
    logs.add_commands(nouns)
    snapshots.add_commands(nouns)
    attaching.add_commands(nouns)
    environments.add_commands(nouns)
    instances.add_commands(nouns)
    _add_output(commands)
    return root


def _add_output(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Let `-o` stand after every command, too."""
    for command in commands.choices.values():
        command.add_argument(
            "-o", "--output", choices=FORMATS, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        for action in command._actions:
            if isinstance(action, argparse._SubParsersAction):
                _add_output(action)


def main(arguments: Sequence[str] | None = None) -> None:
    # A log may hold what this terminal can't show: that must not end the command.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit code."""
    words, command = split_command(list(sys.argv[1:] if arguments is None else arguments))
    options = parser().parse_args(words)
    options.command_line = command
    try:
        if command and options.act is not running.run:
            raise InvalidInput("Only `run` takes a command after `--`.")
        with ExitStack() as options.done:
            print_result(options.act(options), options.output)
    except WorkspaceError as error:
        print_error(error, options.output)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left, which is its right
    except OSError as error:
        where = f"{shown(error.filename)}: " if error.filename else ""
        refusal = InvalidInput(f"{where}{error.strerror or error}.", field="path")
        print_error(refusal, options.output)
        return refusal.exit_code
    return 0


def split_command(words: list[str]) -> tuple[list[str], list[str]]:
    """What stands before `--`, and the command after it."""
    if "--" not in words:
        return words, []
    index = words.index("--")
    return words[:index], words[index + 1 :]


if __name__ == "__main__":
    main()
