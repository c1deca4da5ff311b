"""Searching runs: as a table, as a number, and beside each other."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from ml_workspace_lab.api.connection import Connection
from ml_workspace_lab.api.strict_json import convert
from ml_workspace_lab.errors import InvalidInput, Unavailable
from ml_workspace_lab.experiments.search.model import (
    CompareRuns,
    CountRuns,
    FrameRuns,
    RunComparison,
    RunView,
    SearchRuns,
)

if TYPE_CHECKING:
    from ml_workspace_lab.client.workspace import Workspace

Form = Literal["pandas", "arrow", "runs"]
PAGE = 1000


def search_runs(workspace: "Workspace", body: FrameRuns, form: Form) -> Any:
    """A DataFrame, an Arrow table or a list of runs. Raises InvalidInput where what it takes isn't
    installed."""
    if form == "runs":
        return _runs(workspace, body)
    if form not in ("pandas", "arrow"):
        raise InvalidInput(f"as_: must be 'pandas', 'arrow' or 'runs', not {form!r}.", field="as_")
    table = _table(workspace.connection, body)
    return table.to_pandas() if form == "pandas" else table


def count_runs(connection: Connection, body: CountRuns) -> int:
    return connection.search.count(body).count


class Comparison:
    """Runs beside each other; `rows` has what they are compared in, `differing` what differs."""

    def __init__(self, found: RunComparison) -> None:
        self.run_ids = found.run_ids
        self.rows = found.rows

    @property
    def differing(self) -> "Comparison":
        return Comparison(RunComparison(self.run_ids, [row for row in self.rows if row.differs]))

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each thing compared and a column for each run."""
        import pandas as pd

        index = pd.MultiIndex.from_tuples(
            [(row.kind, row.name) for row in self.rows], names=["kind", "name"]
        )
        values = [row.values for row in self.rows]
        return pd.DataFrame(values, index=index, columns=self.run_ids, dtype=object)

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{escape(name)}</th>" for name in self._names())
        lines = []
        for row in self.rows:
            mark = " style='background:rgba(230,159,0,.25)'" if row.differs else ""
            cells = "".join(f"<td{mark}>{escape(_text(value))}</td>" for value in row.values)
            lines.append(f"<tr><th>{escape(row.kind)}</th><th>{escape(row.name)}</th>{cells}</tr>")
        return f"<table><tr><th></th><th></th>{heads}</tr>{''.join(lines)}</table>"

    def __repr__(self) -> str:
        differing = sum(row.differs for row in self.rows)
        return f"Comparison({len(self.run_ids)} runs, {differing} of {len(self.rows)} rows differ)"

    def _names(self) -> list[str]:
        named = [row.values for row in self.rows if row.name == "display_name"]
        return [str(value) for value in named[0]] if named else self.run_ids


def compare(connection: Connection, run_ids: Sequence[str]) -> Comparison:
    """Raises NotFound for a run that isn't there."""
    return Comparison(connection.search.compare(CompareRuns(list(run_ids))))


def frame_of(
    filter_: str,
    experiments: Sequence[str] | str | None,
    order_by: Sequence[str] | str | None,
    max_results: int | None,
    view: RunView,
) -> FrameRuns:
    """What is searched for. Raises InvalidInput, whatever it is to be shown as."""
    asked = {
        "filter": filter_,
        "experiments": _some(experiments),
        "view": view,
        "order_by": _list(order_by),
        "max_results": max_results,
    }
    return convert(asked, FrameRuns)


def count_of(filter_: str, experiments: Sequence[str] | str | None, view: RunView) -> CountRuns:
    return CountRuns(filter_, _some(experiments), view)


def _some(experiments: Sequence[str] | str | None) -> list[str] | None:
    """None stands for all experiments, an empty sequence for none."""
    return None if experiments is None else _list(experiments)


def _list(given: Sequence[str] | str | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _table(connection: Connection, body: FrameRuns) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise InvalidInput(
            "Tables of runs need pandas and pyarrow.",
            hint="pip install 'ml_workspace_lab[tables]', or ask for as_='runs'.",
        ) from None
    content = connection.search.frame(body)
    with content.stream as stream:
        # What was made in this process is not copied.
        whole = stream.read_buffer() if isinstance(stream, pa.NativeFile) else stream.read()
    if len(whole) != content.size:
        raise Unavailable("The table did not arrive whole.", hint="Try again.")
    return pa.ipc.open_stream(whole).read_all()


def _runs(workspace: "Workspace", body: FrameRuns) -> Any:
    from ml_workspace_lab.client.run import Run
    from ml_workspace_lab.client.run_table import RunTable

    found = RunTable()
    token: str | None = None
    while body.max_results is None or len(found) < body.max_results:
        size = PAGE if body.max_results is None else min(PAGE, body.max_results - len(found))
        page = workspace.connection.search.search(
            SearchRuns(body.filter, body.experiments, body.view, body.order_by, size, token)
        )
        found.extend(Run(workspace, info) for info in page.items)
        token = page.next
        if token is None:
            break
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)
