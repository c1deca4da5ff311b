"""The log of requests: a line for each answer."""

import asyncio
import sys


class RequestLog:
    """Writes lines to standard output, those of one turn of the event loop by one write."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        if not self._lines:
            self._loop.call_soon(self._write)
        self._lines.append(line)

    def _write(self) -> None:
        text = "".join(self._lines)
        self._lines.clear()
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:
            return  # A full disk takes the log, and nothing else.
