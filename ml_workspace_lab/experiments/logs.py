"""Logs of runs by lines: a range of them, the last ones, and those that match."""

from typing import Annotated

from msgspec import Meta, Struct

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Int64, Limit, Millis, Offset, RunId
from ml_workspace_lab.storage.log_lines import Line, read_lines
from ml_workspace_lab.storage.log_search import finder, search_lines

Pattern = Annotated[str, Meta(min_length=1, max_length=1000)]


class LogLine(Struct, frozen=True):
    """Line `number` (from 0), which begins at byte `offset` and has `size` bytes; the text has the
    first 65,536 of them. It came at `time` (ms), or at most a tenth of a second or some hundred
    lines later; None where that was not noted. Of a line that was redrawn the last state counts."""

    number: int
    offset: int
    size: int
    text: str
    time: Millis | None = None


class LogLines(Struct, frozen=True):
    """Some lines of a log of `total`; `complete` when no more will follow, `unended` while the
    log's last line may go on."""

    items: list[LogLine]
    total: int
    complete: bool
    unended: bool = False


class LogMatches(Struct, frozen=True):
    """Lines that match; `next` is the `first` that asks for more of them, None after the last."""

    items: list[LogLine]
    next: int | None


class Logs(Service):
    """What runs print."""

    @operation("GET", "/runs/{run_id}/log/lines", action="experiments/runs/read")
    def lines(self, run_id: RunId, first: Int64 = 0, limit: Limit = 200) -> LogLines:
        """Lines of the run's log from line `first` on; -100 begins with the last hundred."""
        # The state first: what is written before the end is then in the file that is read after.
        ended = self.services.runs.get(run_id).state.is_terminal
        found = read_lines(self.storage.run(run_id).log, first, limit)
        items = [_shown(line) for line in found.items]
        last = items[-1].number + 1 if items else max(first, 0)
        return LogLines(
            items,
            found.total,
            complete=ended and last >= found.total,
            unended=found.unended and not ended,
        )

    @operation("GET", "/runs/{run_id}/log/search", action="experiments/runs/read")
    def search(
        self,
        run_id: RunId,
        pattern: Pattern,
        regex: bool = False,
        ignore_case: bool = False,
        first: Offset = 0,
        limit: Limit = 200,
    ) -> LogMatches:
        """Lines that hold a text, or that an RE2 pattern matches, from line `first` on. Raises
        InvalidInput on a pattern that is none."""
        find = finder(pattern, regex=regex, ignore_case=ignore_case)
        self.services.runs.get(run_id)
        found = search_lines(self.storage.run(run_id).log, find, first, limit)
        return LogMatches([_shown(line) for line in found.items], found.next)


def _shown(line: Line) -> LogLine:
    return LogLine(line.number, line.offset, line.size, line.text, line.time)
