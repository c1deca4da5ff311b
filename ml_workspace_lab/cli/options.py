"""What several commands have in common: the workspace that is meant, and sizes."""

import argparse
import re

from ml_workspace_lab.client.workspace import Workspace
from ml_workspace_lab.compute.model import Resources
from ml_workspace_lab.errors import InvalidInput, shown
from ml_workspace_lab.workspace.locate import parse

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", re.IGNORECASE)


def workspace(options: argparse.Namespace) -> Workspace:
    """The workspace of `-w`, else the configured one; it is closed when the command is done."""
    given = options.workspace
    found = Workspace.at(parse(given)) if given else Workspace.from_config()
    options.done.callback(found.close)
    return found


def size_in_bytes(text: str | None) -> int | None:
    """Bytes, of `500M` or `4G`: powers of 1024."""
    if text is None:
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise InvalidInput(
            f"memory: {shown(text)} is not a size.", field="memory", hint="Write 500M or 4G."
        )
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


def resources(options: argparse.Namespace) -> Resources | None:
    """What `--cores`, `--memory` and `--gpus` ask for; None where nothing is said of them."""
    if options.cores is options.memory is options.gpus is None:
        return None
    cores = 1.0 if options.cores is None else options.cores
    return Resources(cores, size_in_bytes(options.memory), options.gpus or 0)
