"""`runs log`: a run's log, its end, what matches, or what is still to come; and what a program that
is not Python logs to its run."""

import argparse
import sys
from typing import Any

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.client.run import Run
from ml_workspace_lab.client.values import number
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.logs import LogLine


def add_commands(nouns: dict[str, Any]) -> None:
    parser = nouns["runs"].add_parser("log", help="print a run's log, or some lines of it")
    parser.add_argument("run_id")
    parser.add_argument("--tail", type=int, metavar="LINES", help="only the last lines")
    parser.add_argument("--grep", metavar="TEXT", help="only lines that hold this text")
    parser.add_argument(
        "-E", "--regex", action="store_true", help="the text is a pattern (RE2's, linear in time)"
    )
    parser.add_argument("-i", "--ignore-case", action="store_true")
    parser.add_argument("-n", "--line-number", action="store_true", help="number lines, from 1")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run's end")
    parser.set_defaults(act=log)
    metric = nouns["runs"].add_parser(
        "log-metric", help="log a value of a metric, in a job by default to the job's own run"
    )
    metric.add_argument("name")
    metric.add_argument("value")
    metric.add_argument("--step", type=int, help="default: one more than the last")
    metric.add_argument("--run", metavar="RUN_ID", help="default: the run that this is part of")
    metric.set_defaults(act=log_metric)


def log(options: argparse.Namespace) -> Any:
    run = workspace(options).run(options.run_id)
    if options.output == "json":
        return _lines(options, run)
    if options.grep is None and options.tail is None and not options.line_number:
        if options.follow:
            run.wait_for_completion(show_output=True, raise_on_error=False)
        else:
            for part in run.log_parts():
                sys.stdout.write(part)
        return None
    for line in _lines(options, run):
        print(f"{line.number + 1}:{line.text}" if options.line_number else line.text, flush=True)
    return None


def _lines(options: argparse.Namespace, run: Run) -> Any:
    if options.grep is None:
        first = -options.tail if options.tail is not None else 0
        return run.log_lines(first, follow=options.follow)
    if options.follow:
        raise InvalidInput("--follow and --grep don't go together.", field="follow")
    found: list[LogLine] = list(
        run.search_log(options.grep, regex=options.regex, ignore_case=options.ignore_case)
    )
    return found[-options.tail :] if options.tail else found


def log_metric(options: argparse.Namespace) -> None:
    run = workspace(options).run(options.run) if options.run else Run.get_context()
    run.log(options.name, number(_as_number(options.value), "value"), options.step)
    run.flush()


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"value: {text!r} is not a number.", field="value") from None
