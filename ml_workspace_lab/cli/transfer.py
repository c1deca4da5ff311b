"""`export`, `import` and `gc`: experiments from and to other places, and what nobody needs."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ml_workspace_lab.cli.options import workspace
from ml_workspace_lab.errors import InvalidInput
from ml_workspace_lab.experiments.trash import Collected
from ml_workspace_lab.transfer.exporting import ExportReport
from ml_workspace_lab.transfer.report import ImportReport, Progress, silent

BAR = 40
SOURCES = ("mlflow", "tensorboard")


def add_commands(commands: Any) -> None:
    export = commands.add_parser(
        "export",
        help="put experiments into a folder that another workspace takes",
        description="Put experiments with all that belongs to them into a folder. A folder of an"
        " earlier export gets what is new.",
    )
    export.add_argument("names", nargs="+", metavar="EXPERIMENT")
    export.add_argument("folder", type=Path, metavar="FOLDER")
    export.set_defaults(act=_export)
    parser = commands.add_parser(
        "import",
        help="take experiments from an exported folder, from MLflow or from TensorBoard",
        usage="ml-workspace import (FOLDER | mlflow URI | tensorboard LOGDIR) [options]",
        description="Take runs that are not here yet. URI is sqlite:///FILE, another database's"
        " URL, a folder such as mlruns, or http://HOST:PORT of a tracking server, whose artifacts"
        " come from the folder that --artifacts names.",
    )
    parser.add_argument("source", help="a folder, `mlflow` or `tensorboard`")
    parser.add_argument("location", nargs="?", help="where that is")
    parser.add_argument("--artifacts", type=Path, help="mlflow: where the artifacts lie")
    parser.add_argument("--experiment", help="tensorboard: the experiment of the runs")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the whole report there")
    parser.set_defaults(act=_import)
    collect = commands.add_parser(
        "gc", help="remove what nothing refers to and temporary files, older than a day"
    )
    collect.set_defaults(act=_collect)


def _export(options: argparse.Namespace) -> ExportReport:
    with_bar = bar("runs and other things")
    return workspace(options).export_experiments(options.names, options.folder, with_bar)


def _import(options: argparse.Namespace) -> ImportReport:
    _check(options)
    report = _importer(options)(bar("runs and other things"))
    if options.report is not None:
        options.report.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return report


def _importer(options: argparse.Namespace) -> Callable[[Progress], ImportReport]:
    ws = workspace(options)
    if options.source == "mlflow":
        return lambda progress: ws.import_mlflow(options.location, options.artifacts, progress)
    if options.source == "tensorboard":
        return lambda progress: ws.import_tensorboard(
            options.location, options.experiment, progress
        )
    return lambda progress: ws.import_experiments(options.source, progress)


def _check(options: argparse.Namespace) -> None:
    if (options.source in SOURCES) != (options.location is not None):
        raise InvalidInput(
            "Name a folder, or `mlflow` or `tensorboard` and a place.", field="source"
        )
    for name, source in (("artifacts", "mlflow"), ("experiment", "tensorboard")):
        if getattr(options, name) is not None and options.source != source:
            raise InvalidInput(f"{name}: is for {source} only.", field=name)


def _collect(options: argparse.Namespace) -> Collected:
    return workspace(options).collect_garbage()


def bar(what: str) -> Progress:
    """Progress on the error stream, where somebody sees it."""
    if not sys.stderr.isatty():
        return silent

    def show(done: int, total: int) -> None:
        filled = BAR * done // max(total, 1)
        end = "\n" if done == total else ""
        line = f"\r[{'#' * filled:<{BAR}}] {done:,} of {total:,} {what}"
        print(line, end=end, file=sys.stderr, flush=True)

    return show
