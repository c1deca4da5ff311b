"""The progress bar that a program shows, read from what it prints on its way to the log."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ml_workspace_lab.errors import WorkspaceError
from ml_workspace_lab.experiments.model import Progress
from ml_workspace_lab.jobs.runner.beside import beside
from ml_workspace_lab.jobs.runner.link import Link
from ml_workspace_lab.jobs.runner.progress import LONGEST, bar_in

SECONDS = 1.0


@contextmanager
def progress_shown(link: Link) -> Iterator[Callable[[bytes], None]]:
    """What writes to the log; within the block the run's progress is that of the newest bar."""
    newest = [b""]

    def write(content: bytes) -> None:
        newest[0] = content[-LONGEST:]
        link.write_log(content)

    with beside("bar", lambda over: _report(link, newest, over)):
        yield write


def _report(link: Link, newest: list[bytes], over: threading.Event) -> None:
    reported = None
    while not over.wait(SECONDS):
        states = newest[0].decode("utf-8", "replace").rstrip("\r\n").replace("\n", "\r").split("\r")
        bar = bar_in(states[-1])
        if bar != reported:
            with suppress(WorkspaceError):  # The next one may find it well.
                link.report_progress(Progress(0, 0, bar=bar))
                reported = bar
