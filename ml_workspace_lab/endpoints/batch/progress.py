"""How far a batch has come: a line in the log that is redrawn, and metrics of the run."""

import sys
import time
from typing import TYPE_CHECKING

from ml_workspace_lab.endpoints.batch.finished import Finished

if TYPE_CHECKING:
    from ml_workspace_lab.client.run import Run

SECONDS = 1.0
WIDTH = 20


class Progress:
    """Shows rows of `total`; `finished` counts those that are kept."""

    def __init__(self, run: "Run", total: int, finished: Finished) -> None:
        self._run = run
        self._total = total
        self._finished = finished
        self._before = finished.rows
        self._began = self._shown = time.monotonic()

    def begin(self) -> None:
        """Scoring begins: what was before took its time for other things."""
        self._began = self._shown = time.monotonic()

    @property
    def rate(self) -> float:
        """Rows a second, of those that this process has had scored."""
        taken = time.monotonic() - self._began
        return (self._finished.rows - self._before) / taken if taken else 0.0

    def show(self) -> None:
        """Show it where it was shown a second ago, or longer."""
        if time.monotonic() - self._shown >= SECONDS:
            self._show("\r")

    def end(self) -> None:
        self._show("\n")

    def _show(self, end: str) -> None:
        self._shown = time.monotonic()
        done, rate = self._finished.rows, self.rate
        share = done / self._total
        bar = ("█" * int(share * WIDTH)).ljust(WIDTH)
        left = _clock((self._total - done) / rate) if rate else "?"
        took = _clock(self._shown - self._began)
        line = f"Scored rows: {int(share * 100):3}%|{bar}| {done}/{self._total}"
        sys.stdout.write(f"{line} [{took}<{left}, {rate:.0f} rows/s]{end}")
        sys.stdout.flush()
        self._run.log_metrics(
            {"rows": done, "failed_rows": self._finished.failed, "rows_per_second": rate}
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
