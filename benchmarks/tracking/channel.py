"""What a child says to its parent: JSON lines on its standard output, and nothing else."""

import json
import os
import sys
from typing import Any

_out = sys.stdout


def claim() -> None:
    """Keep standard output for `say` alone: what peers print goes to standard error."""
    global _out
    _out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)


def say(value: Any) -> None:
    """One line for the parent."""
    _out.write(json.dumps(value) + "\n")
    _out.flush()


def wait() -> None:
    """Wait until the parent tells this child to go on."""
    sys.stdin.readline()
