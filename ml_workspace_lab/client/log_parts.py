"""A log that is read from the workspace part by part."""

from collections.abc import Callable, Iterator

from ml_workspace_lab.api.types import LogChunk


def log_parts(ask: Callable[[int], LogChunk]) -> Iterator[str]:
    """The texts of a log as it is now; `ask` gives the part from a byte on."""
    offset = 0
    while True:
        part = ask(offset)
        yield part.text
        if part.next >= part.size or part.next == offset:
            return
        offset = part.next
