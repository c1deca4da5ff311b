"""The arguments of the magics: declared once, for parsing, `--help` and completion."""

import argparse
import shlex
from typing import NoReturn

from ml_workspace_lab.errors import InvalidInput


class Help(Exception):
    """`--help` was given; the text is the message."""


class Parser(argparse.ArgumentParser):
    """A parser that never ends the kernel and never prints by itself."""

    def __init__(self, magic: str, description: str) -> None:
        super().__init__(
            prog=f"%{magic}", description=description, add_help=False, exit_on_error=False
        )
        self.add_argument("-h", "--help", action="store_true", help="show this text")

    def read(self, line: str) -> argparse.Namespace:
        """The arguments in `line`. Raises InvalidInput with the usage, or Help."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise InvalidInput(f"The line can't be read: {error}.") from None
        if "-h" in words or "--help" in words:
            raise Help(self.format_help())
        try:
            return self.parse_args(words)
        except argparse.ArgumentError as error:
            self.error(str(error))

    def error(self, message: str) -> NoReturn:
        raise InvalidInput(f"{message}.", hint=f"\n{self.format_usage()}")

    def options(self) -> list[str]:
        return [word for action in self._actions for word in action.option_strings]


def run_parser(magic: str = "ws_run") -> Parser:
    what = (
        "Run this notebook (%ws_run), a saved one (%ws_run FILE) or this cell (%%ws_run) as a job."
    )
    parser = Parser(magic, what)
    parser.add_argument("notebook", nargs="?", help="a saved notebook; default: this one")
    parser.add_argument("-e", "--experiment", help="default: the notebook's name")
    parser.add_argument("-c", "--compute", default="local", help="compute target")
    parser.add_argument("-n", "--name", help="a name for the run")
    parser.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter"
    )
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("-k", "--kernel", help="kernel to use instead of the notebook's own")
    parser.add_argument(
        "--environment", metavar="NAME[:VERSION]", help="default: this kernel's own"
    )
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="end it as Failed then")
    parser.add_argument("--cold", action="store_true", help="use no process started ahead")
    parser.add_argument("-w", "--wait", action="store_true", help="wait for the end, show the log")
    return parser


def register_parser() -> Parser:
    parser = Parser("ws_register", "Register a model from a run's artifacts or a live object.")
    parser.add_argument("model", help="the model's name")
    parser.add_argument("--run", help="run id; default: the last run of this notebook")
    parser.add_argument("--path", default="outputs", help="file or folder among its artifacts")
    parser.add_argument("--object", metavar="VARIABLE", help="a live object instead of a run")
    parser.add_argument("--example", metavar="VARIABLE", help="an example of the object's input")
    parser.add_argument("-d", "--description", default="")
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="NAME=VALUE")
    return parser


def deploy_parser() -> Parser:
    parser = Parser("ws_deploy", "Serve a model behind a REST endpoint with a key.")
    parser.add_argument("model", help="NAME or NAME:VERSION")
    parser.add_argument("--name", help="the endpoint's name; default: made of the model's")
    parser.add_argument("--script", help="scoring script with init() and run(data)")
    parser.add_argument("--sample", help="JSON that run() is tried with first")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument(
        "--engine", default="auto", help="auto, native (the model's library) or onnx"
    )
    parser.add_argument("--deployment", help="blue, green, …; default: the only one there is")
    parser.add_argument("--traffic", type=int, help="percent of the requests that it is to get")
    parser.add_argument("--workers", help="how many processes answer, or `profiled`")
    parser.add_argument("--max-workers", type=int, help="more than that where they are busy")
    parser.add_argument(
        "--target-utilization", type=int, help="percent of their time that they are to be at work"
    )
    parser.add_argument("-c", "--compute", default="local", help="compute target that serves it")
    parser.add_argument("--environment", help="NAME or NAME:VERSION, for an image's packages")
    parser.add_argument("--dry-run", action="store_true", help="only try init() and run() here")
    return parser


def runs_parser() -> Parser:
    parser = Parser("ws_runs", "List the newest runs.")
    parser.add_argument("experiment", nargs="?")
    parser.add_argument("-n", "--limit", type=int, default=20)
    return parser


def init_parser() -> Parser:
    parser = Parser("ws_init", "Start a workspace in this folder.")
    parser.add_argument("name", nargs="?", help="default: made of the folder's name")
    return parser
