"""Searching runs: pages of them, how many there are, tables, and comparisons."""

from contextlib import suppress
from typing import TYPE_CHECKING

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.api.types import Content
from ml_workspace_lab.errors import StorageFull, Unavailable
from ml_workspace_lab.experiments import run_store
from ml_workspace_lab.experiments.search import mirrored, pages, query
from ml_workspace_lab.experiments.search.answers import Answers
from ml_workspace_lab.experiments.search.compare import compare
from ml_workspace_lab.experiments.search.limits import in_time
from ml_workspace_lab.experiments.search.model import (
    CompareRuns,
    CountRuns,
    FrameRuns,
    RunComparison,
    RunCount,
    RunPage,
    SearchRuns,
)
from ml_workspace_lab.experiments.search.ordering import parse_order
from ml_workspace_lab.experiments.search.parser import parse
from ml_workspace_lab.experiments.search.query import Query
from ml_workspace_lab.experiments.search.reach import reach
from ml_workspace_lab.experiments.search.runs import RUNS
from ml_workspace_lab.experiments.search.snapshot import FILE
from ml_workspace_lab.experiments.search.sources import Sizes
from ml_workspace_lab.experiments.search.sql import dialect
from ml_workspace_lab.experiments.search.tables import Tables, stream
from ml_workspace_lab.storage.database import Queries

if TYPE_CHECKING:
    from ml_workspace_lab.services import Services
    from ml_workspace_lab.storage.storage import Storage

ARROW = "application/vnd.apache.arrow.stream"


class Search(Service):
    """Finding runs by what they logged."""

    def __init__(self, storage: "Storage", services: "Services") -> None:
        super().__init__(storage, services)
        self._answers = Answers()
        self._sizes = Sizes()
        self._tables = Tables(storage.root / "cache" / FILE)

    @operation("POST", "/runs/search", action="experiments/runs/read", audited=False)
    def search(self, body: SearchRuns) -> RunPage:
        """A page of runs that a filter matches, in order. Raises InvalidInput for a filter, an
        order or a token that can't be understood, and NotFound for an unknown experiment."""
        self._fold()
        with in_time(self.storage.database) as queries:
            asked = self._query(queries, body)
            name = pages.fingerprint(body.filter, body.experiments, body.view, body.order_by)
            after = None
            if body.page_token is not None:
                after = pages.place(body.page_token, name, asked.segments)
            ids, last = query.page(asked, queries, after, body.max_results)
            items = run_store.runs_by_id(queries, ids)
        return RunPage(items, pages.token(name, last) if last else None)

    @operation("POST", "/runs/count", action="experiments/runs/read", audited=False)
    def count(self, body: CountRuns) -> RunCount:
        """How many runs a filter matches."""
        if body.filter:
            self._fold()
        with in_time(self.storage.database) as queries:
            asked = self._query(queries, body)
            found = self._answers.count(asked, queries)
            return RunCount(query.count(asked, queries) if found is None else found)

    @operation("POST", "/runs/frame", action="experiments/runs/read", audited=False)
    def frame(self, body: FrameRuns) -> Content:
        """A table of runs as a stream of Arrow's IPC format: run_id, experiment, … and a column
        for each metric, parameter and tag that any of them has."""
        self._fold()
        with in_time(self.storage.database) as queries:
            table = self._tables.table(self._query(queries, body), queries, body.max_results)
        self._tables.tidy()
        content = stream(table)
        return Content(content, content.size(), ARROW, "runs.arrow")

    @operation("POST", "/runs/compare", action="experiments/runs/read", audited=False)
    def compare(self, body: CompareRuns) -> RunComparison:
        """What differs between runs, and what agrees. Raises NotFound for one that isn't there."""
        return compare([self.services.runs.get(run_id) for run_id in body.run_ids])

    def _query(self, queries: Queries, body: SearchRuns | CountRuns | FrameRuns) -> Query:
        order_by = [] if isinstance(body, CountRuns) else body.order_by
        return query.query(
            queries,
            dialect(self.storage.database),
            mirrored.of_runs(parse(body.filter, RUNS), queries),
            mirrored.ordered(parse_order(order_by, RUNS)),
            reach(queries, body.experiments, body.view),
            self._sizes,
        )

    def _fold(self) -> None:
        # What can be read must be read, also while nothing can be written.
        with suppress(StorageFull, Unavailable):
            self.services.metrics.fold_active()
