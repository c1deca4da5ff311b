"""Processes that a task starts: told to go on by a line, and heard by JSON lines."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("child.py")


class ChildFailed(Exception):
    """A child ended without an answer."""


def command(python: str, module: str, adapter: str, *arguments: Any) -> list[str]:
    """The words that make `python` call `run` of a module with an adapter and JSON arguments."""
    return [python, str(SCRIPT), module, adapter, json.dumps(arguments)]


@contextmanager
def child(module: str, adapter: str, *arguments: Any) -> Iterator["subprocess.Popen[str]"]:
    """A child under the same Python, which is gone at the end."""
    words = command(sys.executable, module, adapter, *arguments)
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def hear(process: "subprocess.Popen[str]") -> Any:
    """The next line that a child says. Raises ChildFailed where it ends instead."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise ChildFailed(f"a child process ended with {process.wait()}")
    return json.loads(line)


def tell(process: "subprocess.Popen[str]") -> None:
    """Let a child that waits go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def ask(module: str, adapter: str, *arguments: Any) -> Any:
    """The one answer of a child under the same Python. Raises ChildFailed."""
    with child(module, adapter, *arguments) as process:
        return hear(process)
